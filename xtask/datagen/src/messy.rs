//! A CSV file as people really send them.

use std::path::Path;

use anyhow::Context;

/// Each row shows one thing that a reader gets wrong; `config/sample-lake/README.md` says which.
const ROWS: &str = r#"customer_id,name,email,signup_date,country,balance,note
1,Ada Lovelace,ada@example.com,2024-01-31,GB,1200.50,plain
2,"Hopper, Grace",grace@example.com,2024-02-29,US,-15.00,a comma inside quotes
3,"Jean ""Moebius"" Giraud",jean@example.com,2023-12-31,FR,0.00,doubled quotes
4,Søren Kierkegaard,soren@example.com,2024-03-05,DK,88.10,letters beyond ASCII
5,王小明,xiaoming@example.com,2024-03-06,CN,42,a whole number among decimals
6,Zoë  ,zoe@example.com,2024-03-07,NL,7.25,trailing spaces in the name
7,"",empty@example.com,2024-03-08,DE,1.00,an empty text
8,,null@example.com,2024-03-09,DE,2.00,no value at all
9,"Line
Break",line@example.com,2024-03-10,US,3.00,a line break inside quotes
10,O'Neill,oneill@example.com,03/11/2024,IE,4.00,month first
11,Late Entry,late@example.com,12.03.2024,AT,5.00,day first with dots
12,No Date,nodate@example.com,,CH,6.00,a missing date
13,NULL,nullname@example.com,2024-03-14,US,7.00,a person whose name is NULL
14,"  Leading",leading@example.com,2024-03-15,US,8.00,leading spaces kept by quotes
15,🚀 Rocket,rocket@example.com,2024-03-16,JP,9.99,a character beyond the basic plane
16,Tab	Inside,tab@example.com,2024-03-17,US,10.00,a tab inside a field
17,Big Number,big@example.com,2024-03-18,US,9007199254740993.01,more digits than a double holds
18,Twin,twin@example.com,2024-03-19,US,11.00,a duplicate follows
18,Twin,twin@example.com,2024-03-19,US,11.00,a duplicate follows
19,"all,of
""it""",mix@example.com,2024-03-20,BR,-0.01,"comma, quote "" and line
break"
"#;

pub(crate) fn write(path: &Path) -> anyhow::Result<()> {
    std::fs::write(path, ROWS).with_context(|| format!("cannot write {}", path.display()))
}
