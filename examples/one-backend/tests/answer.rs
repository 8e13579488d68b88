//! The program runs as its first lines say.

use std::process::Command;

#[test]
fn it_lists_and_reads() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-one-backend")).output().unwrap();
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        answer
            .lines()
            .any(|line| line.ends_with("part_prices/_delta_log/00000000000000000000.json")),
        "{answer}"
    );
    assert!(answer.lines().any(|line| line == "r_regionkey,r_name,r_comment"), "{answer}");
}
