//! The program runs as its first lines say.

use std::process::Command;

#[test]
fn it_joins_and_groups() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-one-feature")).output().unwrap();
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(answer);
}
