//! What a process leaves that is killed, and what keeps two from one history.

use crate::harness::{Lab, Watch};

#[test]
fn a_second_instance_on_one_history_is_refused() {
    let (lab, watch) = (Lab::start(), Watch::new());
    watch.configure(&lab, "", "");
    let _first = watch.start();
    let (code, output) = watch.run(&["--once"]);
    assert_eq!(code, 2, "{output}");
    assert!(output.contains("another `kms-probe watch` uses the history"), "{output}");
}

#[test]
fn killing_it_loses_no_history_and_repeats_no_alert() {
    let (lab, watch) = (Lab::start(), Watch::new());
    let got = watch.path("got");
    // It stays in the middle of its first delivery until it is killed.
    let command = format!(
        "[command.page]\ncommand = [\"sh\", \"-c\", \"cat > /dev/null; echo $KMS_PROBE_ID >> {}; \
         if [ ! -e {} ]; then exec sleep 600; fi\"]",
        got.display(),
        watch.path("go").display()
    );
    watch.configure(&lab, "jitter = \"0%\"", &command);
    lab.break_it();
    let first = watch.start();
    watch.until(|| std::fs::read_to_string(&got).is_ok_and(|text| text.ends_with('\n')));
    drop(first);
    assert_eq!(watch.rows("SELECT state FROM delivery"), ["waiting"]);
    watch.write("go", "");
    for _ in 0..5 {
        drop(watch.start_and_see("watching"));
        assert_eq!(watch.once().0, 1);
    }
    let ids = std::fs::read_to_string(&got).unwrap();
    let ids: Vec<&str> = ids.lines().collect();
    // The one that was cut off, under the same id, and no other.
    assert!((2..=3).contains(&ids.len()), "{ids:?}");
    assert!(ids.iter().all(|id| Some(id) == ids.first()), "{ids:?}");
    assert_eq!(watch.rows("SELECT count(*) FROM alert"), ["1"]);
    assert_eq!(watch.rows("SELECT state FROM delivery"), ["delivered"]);
    assert_eq!(watch.rows("SELECT count(*) >= 6 FROM observation"), ["1"]);
}
