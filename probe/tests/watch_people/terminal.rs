//! The view on a pseudo-terminal: it draws, obeys keys, and leaves the terminal as it was.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Folder, free_address, kms_host};
use crate::skip::{Need, python, require, workspace_root};

/// Runs `watch` on a pseudo-terminal with these steps of text and keys.
fn watch(folder: &Folder, steps: &Value) -> Value {
    let output = Command::new(python("pty").unwrap())
        .arg(workspace_root().join("tests/python/pseudo_terminal.py"))
        .arg(steps.to_string())
        .arg(env!("CARGO_BIN_EXE_kms-probe"))
        .arg("watch")
        .arg(folder.path("watch.toml"))
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_view_shows_every_target_and_leaves_the_terminal_as_it_was() {
    let name = "the_view_shows_every_target_and_leaves_the_terminal_as_it_was";
    if !require(name, &[Need::Python("pty")]) {
        return;
    }
    let (folder, up, down) = (Folder::new(), free_address(), free_address());
    let _host = kms_host(up);
    let config = format!(
        "history = \"watch.db\"
[defaults]
interval = \"1s\"
confirm = \"1 of 1\"
[[target]]
name = \"first-host\"
target = \"{up}\"
[[target]]
name = \"second-host\"
target = \"{down}\"
"
    );
    folder.write("watch.toml", &config);
    // A row that is chosen is drawn anew.
    let steps = serde_json::json!([["DOWN", "j"], ["second-host", "q"]]);
    let seen = watch(&folder, &steps);
    let screen = seen["screen"].as_str().unwrap();
    assert_eq!(seen["steps_left"], serde_json::json!([]), "{screen:?}");
    assert_eq!((&seen["exit"], &seen["restored"]), (&Value::from(0), &Value::from(true)));
    for part in ["kms-probe watch", "first-host", "second-host", "rpc.ok", "tcp.refused"] {
        assert!(screen.contains(part), "no {part} in {screen:?}");
    }
    let (enter, leave) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    assert!(screen.contains(enter) && screen.rfind(leave) > screen.rfind(enter), "{screen:?}");
    assert!(screen.rfind("\u{1b}[?25h") > screen.rfind("\u{1b}[?25l"), "the cursor is shown again");
}

#[test]
fn control_c_ends_the_view_too() {
    if !require("control_c_ends_the_view_too", &[Need::Python("pty")]) {
        return;
    }
    let (folder, down) = (Folder::new(), free_address());
    folder.write(
        "watch.toml",
        &format!("history = \"watch.db\"\n[[target]]\ntarget = \"{down}\"\nconfirm = \"1 of 1\"\n"),
    );
    let seen = watch(&folder, &serde_json::json!([["DOWN", "\u{3}"]]));
    assert_eq!((&seen["exit"], &seen["restored"]), (&Value::from(0), &Value::from(true)), "{seen}");
}
