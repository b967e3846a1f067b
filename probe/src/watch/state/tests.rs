#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    confirm: ConfirmRules { checks: 2, out_of: 3 },
    flapping: Some(FlapRules { changes: 4, within: Duration::from_secs(600) }),
    recovery: None,
};
const RECOVERY: RecoveryRules = RecoveryRules {
    from: Level::Down,
    backoff: Duration::from_secs(60),
    backoff_max: Duration::from_secs(240),
    per_hour: 3,
    attempts: 5,
    verify_after: Duration::from_secs(5),
};

fn up() -> Sighting {
    Sighting { level: Level::Up, verdict: "rpc.ok".to_owned() }
}

fn down(verdict: &str) -> Sighting {
    Sighting { level: Level::Down, verdict: verdict.to_owned() }
}

fn at(second: i64) -> Moment {
    Moment(second * 1000)
}

/// The alerts of checks that are `every` seconds apart.
fn alerts(seen: &[Sighting], every: i64, rules: &Rules) -> Vec<(usize, Occasion)> {
    let mut memory = Memory::default();
    let mut alerts = Vec::new();
    for (index, sighting) in seen.iter().enumerate() {
        let now = at(i64::try_from(index).unwrap() * every);
        for decision in memory.observe(now, sighting, false, rules) {
            if let Decision::Alert(occasion) = decision {
                alerts.push((index, occasion));
            }
        }
    }
    alerts
}

#[test]
fn a_change_is_told_once_when_m_of_n_checks_have_seen_it() {
    let (up, down) = (up(), down("tcp.refused"));
    let seen = [&up, &up, &down, &up, &down, &down, &down, &up, &up, &up].map(Clone::clone);
    let rules = Rules { flapping: None, ..RULES };
    assert_eq!(alerts(&seen, 60, &rules), [(4, Occasion::Down), (8, Occasion::Up)]);
}

#[test]
fn a_target_that_begins_well_is_no_news_and_one_that_begins_badly_is() {
    assert_eq!(alerts(&[up(), up(), up()], 60, &RULES), []);
    let bad = down("tcp.refused");
    assert_eq!(alerts(&[bad.clone(), bad.clone(), bad], 60, &RULES), [(1, Occasion::Down)]);
}

#[test]
fn reasons_that_alternate_are_down_all_the_same_and_another_reason_is_told() {
    let (a, b) = (down("tcp.refused"), down("tcp.timeout"));
    let seen = [up(), up(), a.clone(), b.clone(), b.clone(), b];
    assert_eq!(alerts(&seen, 60, &RULES), [(3, Occasion::Down)]);
    let seen = [a.clone(), a.clone(), down("tcp.timeout"), down("tcp.timeout"), a];
    assert_eq!(alerts(&seen, 60, &RULES), [(1, Occasion::Down), (3, Occasion::CauseChanged)]);
}

#[test]
fn flapping_is_told_once_and_held_back_until_it_is_quiet() {
    let mut seen = vec![up(), up()];
    for _ in 0..20 {
        seen.extend([down("tcp.refused"), down("tcp.refused"), up(), up()]);
    }
    seen.extend(vec![up(); 30]);
    let told = alerts(&seen, 60, &RULES);
    let occasions: Vec<_> = told.iter().map(|(_, occasion)| *occasion).collect();
    assert_eq!(
        occasions,
        [
            Occasion::Down,
            Occasion::Up,
            Occasion::Down,
            Occasion::FlappingBegan,
            Occasion::FlappingEnded
        ]
    );
    // The last change was at check 80, and ten minutes are ten checks.
    assert_eq!(told.last().unwrap().0, 90);
}

#[test]
fn what_alternates_too_fast_to_be_confirmed_flaps() {
    let rules = Rules { confirm: ConfirmRules { checks: 3, out_of: 3 }, ..RULES };
    let seen: Vec<_> = (0..8).flat_map(|_| [up(), down("tcp.refused")]).collect();
    assert_eq!(alerts(&seen, 60, &rules), [(4, Occasion::FlappingBegan)]);
}

/// Runs a host that stays down, whose recovery command never helps; returns the seconds of attempts.
fn attempts_of_an_outage(rules: &Rules, seconds: i64) -> (Vec<i64>, Vec<Occasion>) {
    let mut memory = Memory::default();
    let (mut attempts, mut told) = (Vec::new(), Vec::new());
    for second in 0..seconds {
        let now = at(second);
        let is_verification = memory.verification_due().is_some_and(|due| due <= now);
        let decisions = match is_verification || second % 60 == 0 {
            true => memory.observe(now, &down("tcp.refused"), is_verification, rules),
            false => memory.poll(now, rules),
        };
        for decision in decisions {
            match decision {
                Decision::Recover { .. } => {
                    attempts.push(second);
                    memory.command_ended(now, rules);
                }
                Decision::Alert(occasion) => told.push(occasion),
                _ => {}
            }
        }
    }
    (attempts, told)
}

#[test]
fn the_recovery_command_backs_off_and_stops() {
    let recovery = RecoveryRules { per_hour: 60, ..RECOVERY };
    let rules = Rules { recovery: Some(recovery), ..RULES };
    let (attempts, told) = attempts_of_an_outage(&rules, 7200);
    // Confirmed at the second check; each verification is 5 s after, and the waits are 60, 120, 240.
    assert_eq!(attempts, [60, 125, 250, 495, 740]);
    assert_eq!(told, [Occasion::Down, Occasion::RecoveryFailed]);
}

#[test]
fn the_recovery_command_has_a_limit_per_hour() {
    let rules = Rules { recovery: Some(RECOVERY), ..RULES };
    let (attempts, _) = attempts_of_an_outage(&rules, 7200);
    assert_eq!(attempts, [60, 125, 250, 3660, 3905]);
}

#[test]
fn a_verification_says_whether_the_command_helped() {
    let rules = Rules { recovery: Some(RECOVERY), ..RULES };
    let mut memory = Memory::default();
    memory.observe(at(0), &down("tcp.refused"), false, &rules);
    let decisions = memory.observe(at(60), &down("tcp.refused"), false, &rules);
    assert!(decisions.contains(&Decision::Recover { attempt: 1 }), "{decisions:?}");
    assert_eq!(memory.next_wake(), None);
    memory.command_ended(at(62), &rules);
    assert_eq!(memory.verification_due(), Some(at(67)));
    let decisions = memory.observe(at(67), &up(), true, &rules);
    assert_eq!(decisions, [Decision::Verified { attempt: 1, helped: true }]);
    let decisions = memory.observe(at(120), &up(), false, &rules);
    assert!(decisions.contains(&Decision::Alert(Occasion::Up)), "{decisions:?}");
}

#[test]
fn a_command_that_was_cut_off_is_verified_after_a_restart() {
    let rules = Rules { recovery: Some(RECOVERY), ..RULES };
    let mut memory = Memory::default();
    memory.observe(at(0), &down("tcp.refused"), false, &rules);
    memory.observe(at(60), &down("tcp.refused"), false, &rules);
    let text = serde_json::to_string(&memory).unwrap();
    let mut restored: Memory = serde_json::from_str(&text).unwrap();
    assert_eq!(restored.interrupted(at(100), &rules), Some(1));
    assert_eq!(restored.verification_due(), Some(at(105)));
    assert_eq!(restored.interrupted(at(101), &rules), None);
}

fn sighting() -> impl Strategy<Value = Sighting> {
    prop_oneof![
        Just(up()),
        Just(down("tcp.refused")),
        Just(down("tcp.timeout")),
        Just(Sighting { level: Level::Degraded, verdict: "kms.count_low".to_owned() }),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    (1usize..5, 0usize..4, 2usize..8, any::<bool>(), 1usize..5).prop_map(
        |(checks, more, changes, flaps, per_hour)| Rules {
            confirm: ConfirmRules { checks, out_of: checks + more },
            flapping: flaps.then_some(FlapRules { changes, within: Duration::from_secs(600) }),
            recovery: Some(RecoveryRules { per_hour, ..RECOVERY }),
        },
    )
}

proptest! {
    /// Alerts about a level are never repeated, recovery stays within its limit, and a restart
    /// between any two checks changes nothing.
    #[test]
    fn alerts_are_never_repeated_and_restarts_change_nothing(
        seen in proptest::collection::vec((sighting(), 1i64..200, any::<bool>()), 0..200),
        rules in rules(),
    ) {
        let (mut memory, mut told, mut starts) = (Memory::default(), Level::Up, Vec::new());
        let mut now = 0;
        let mut is_flapping = false;
        for (sighting, gap, is_restarted) in seen {
            now += gap;
            if is_restarted {
                memory = serde_json::from_str(&serde_json::to_string(&memory).unwrap()).unwrap();
            }
            let is_verification = memory.verification_due().is_some_and(|due| due <= at(now));
            for decision in memory.observe(at(now), &sighting, is_verification, &rules) {
                match decision {
                    Decision::Alert(Occasion::FlappingBegan) => {
                        prop_assert!(!is_flapping);
                        is_flapping = true;
                    }
                    Decision::Alert(Occasion::FlappingEnded) => {
                        prop_assert!(is_flapping);
                        is_flapping = false;
                        told = memory.confirmed().map_or(Level::Up, |it| it.seen.level);
                    }
                    Decision::Alert(occasion @ (Occasion::Up | Occasion::Degraded | Occasion::Down)) => {
                        let level = memory.confirmed().unwrap().seen.level;
                        prop_assert_eq!(occasion.name(), level.name());
                        prop_assert!(!is_flapping && level != told);
                        told = level;
                    }
                    Decision::Alert(Occasion::CauseChanged) => {
                        prop_assert!(!is_flapping && told != Level::Up);
                    }
                    Decision::Recover { attempt } => {
                        prop_assert!((1..=RECOVERY.attempts).contains(&attempt));
                        starts.push(now);
                        memory.command_ended(at(now), &rules);
                    }
                    _ => {}
                }
            }
            let limit = rules.recovery.unwrap().per_hour;
            prop_assert!(starts.iter().filter(|start| **start > now - 3600).count() <= limit);
            prop_assert!(memory.window.len() <= rules.confirm.out_of);
        }
    }
}
