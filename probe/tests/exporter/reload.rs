//! The file of modules read again: by request and by signal, whole or not at all.

use crate::harness::{Exporter, until};

const FIRST: &str = "[targets]\nallow = [\"127.0.0.0/8:*\"]\n[module.tcp]\ndepth = \"tcp\"\n";
const SECOND: &str = "[targets]\nallow = [\"127.0.0.2:*\"]\n[module.other]\ndepth = \"tcp\"\n";
const BROKEN: &str = "[module.tcp]\ndepht = \"tcp\"\n";
const SUCCESSFUL: &str = "kms_probe_exporter_config_last_reload_successful";

#[test]
fn a_file_that_is_in_order_takes_the_place_of_the_old_one_and_a_broken_one_does_not() {
    let exporter = Exporter::new(FIRST, &[]);
    let status = |path: &str| exporter.get(path).status;
    assert_eq!(status("/probe?target=127.0.0.1:1&module=tcp"), 200);
    assert_eq!(exporter.own(SUCCESSFUL), Some(1.0));

    exporter.write_modules(BROKEN);
    let answer = exporter.post("/-/reload");
    assert_eq!(answer.status, 500);
    assert!(answer.body.starts_with("not reloaded, the old modules stay: "), "{answer:?}");
    assert!(answer.body.contains("modules.toml:2:1: unknown key `depht`"), "{answer:?}");
    assert_eq!(exporter.own(SUCCESSFUL), Some(0.0));
    assert_eq!(status("/probe?target=127.0.0.1:1&module=tcp"), 200);

    exporter.write_modules(SECOND);
    assert_eq!(exporter.post("/-/reload").body, "reloaded\n");
    assert_eq!(exporter.own(SUCCESSFUL), Some(1.0));
    assert_eq!(status("/probe?target=127.0.0.1:1&module=other"), 403);
    assert_eq!(status("/probe?target=127.0.0.2:1&module=other"), 200);
    assert_eq!(status("/probe?target=127.0.0.2:1&module=tcp"), 400);
    assert!(exporter.get("/config").body.contains("[module.other]"));
}

#[test]
fn sighup_does_the_same_and_sigterm_ends_it() {
    let mut exporter = Exporter::new(FIRST, &[]);
    exporter.write_modules(BROKEN);
    exporter.signal("HUP");
    let said = exporter.says();
    assert!(said.starts_with("the old modules stay: ") && said.contains("`depht`"), "{said}");
    assert_eq!(exporter.own(SUCCESSFUL), Some(0.0));
    exporter.write_modules(SECOND);
    exporter.signal("HUP");
    assert_eq!(exporter.says(), "read the modules file again\n");
    until("the new module is there", || {
        exporter.get("/probe?target=127.0.0.2:1&module=other").status == 200
    });
    exporter.signal("TERM");
    assert_eq!(exporter.end(), Some(0));
}
