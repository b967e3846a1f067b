//! When a client is switched on, worked out from the seed as time goes by.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::draw::{ClientId, Draws, Purpose};
use super::scenario::{Presence, Scenario, Site};

/// The presence of one group.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Always,
    /// Working days, and how much later each client may come and go.
    Days(Vec<Day>, u32),
    /// Mean seconds here, and away.
    Laptop(u32, u32),
    /// On, but from one time to another.
    Gap(u32, u32),
}

/// A working day, in seconds since the scenario's start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    arrive: i64,
    leave: i64,
}

impl Pattern {
    /// The pattern of `presence` in `site`.
    pub(super) fn new(
        scenario: &Scenario,
        site: &Site,
        presence: &Presence,
    ) -> anyhow::Result<Self> {
        Ok(match *presence {
            Presence::Always => Self::Always,
            Presence::Laptop { here, away } => Self::Laptop(here.0.max(1), away.0.max(1)),
            Presence::PoweredOff { from, until } => Self::Gap(from.0, until.0),
            Presence::OfficeHours { from, to, spread, weekends } => {
                let zone = TimeZone::get(&site.time_zone)?;
                let mut days = Vec::new();
                let mut date = scenario.start.to_zoned(zone.clone()).date().yesterday()?;
                let last = scenario.start.as_second() + i64::from(scenario.duration.0);
                let last = Timestamp::from_second(last)?.to_zoned(zone.clone()).date();
                while date <= last {
                    if works(date, weekends, site) {
                        let end = if to > from { date } else { date.tomorrow()? };
                        let second = |date: Date, time| -> anyhow::Result<i64> {
                            let at = date.to_datetime(time).to_zoned(zone.clone())?;
                            Ok(at.timestamp().as_second() - scenario.start.as_second())
                        };
                        days.push(Day { arrive: second(date, from)?, leave: second(end, to)? });
                    }
                    date = date.checked_add(Span::new().days(1))?;
                }
                Self::Days(days, spread.0)
            }
        })
    }

    /// When a client that exists from `earliest` on is switched on first.
    pub(super) fn first_on(&self, draws: Draws, client: ClientId, earliest: u32) -> Option<u32> {
        match self {
            Self::Always | Self::Laptop(..) => Some(earliest),
            Self::Gap(from, until) if (*from..*until).contains(&earliest) => Some(*until),
            Self::Gap(..) => Some(earliest),
            Self::Days(..) => self.next_working(draws, client, i64::from(earliest)),
        }
    }

    /// When a client that was switched on at `now` is switched off.
    pub(super) fn next_off(&self, draws: Draws, client: ClientId, now: u32) -> Option<u32> {
        match self {
            Self::Always => None,
            Self::Gap(from, until) => (now < *from && from < until).then_some(*from),
            Self::Laptop(here, _) => {
                Some(now.saturating_add(about(draws, client, Purpose::Here, now, *here)))
            }
            Self::Days(..) => self
                .windows(draws, client, i64::from(now))
                .find(|(arrive, leave)| *arrive <= i64::from(now) && i64::from(now) < *leave)
                .and_then(|(_, leave)| u32::try_from(leave).ok()),
        }
    }

    /// When a client that was switched off at `now` is switched on.
    pub(super) fn next_on(&self, draws: Draws, client: ClientId, now: u32) -> Option<u32> {
        match self {
            Self::Always => None,
            Self::Gap(_, until) => (*until > now).then_some(*until),
            Self::Laptop(_, away) => {
                Some(now.saturating_add(about(draws, client, Purpose::Away, now, *away)))
            }
            Self::Days(..) => self.next_working(draws, client, i64::from(now) + 1),
        }
    }

    /// Whether its switching on again is a resume, not a boot.
    pub(super) const fn resumes(&self) -> bool {
        matches!(self, Self::Laptop(..))
    }

    fn next_working(&self, draws: Draws, client: ClientId, from: i64) -> Option<u32> {
        let mut windows = self.windows(draws, client, from);
        windows.find_map(|(arrive, leave)| {
            let on = arrive.max(from);
            if on < leave { u32::try_from(on).ok() } else { None }
        })
    }

    /// This client's working hours that may end after `from`, in order.
    fn windows(
        &self,
        draws: Draws,
        client: ClientId,
        from: i64,
    ) -> impl Iterator<Item = (i64, i64)> {
        let (days, spread) = match self {
            Self::Days(days, spread) => (days.as_slice(), *spread),
            _ => (&[][..], 0),
        };
        let first = days.partition_point(|day| day.leave + i64::from(spread) <= from);
        (first..).zip(days.iter().skip(first)).map(move |(number, day)| {
            let later = |purpose| {
                i64::from(draws.below(client, purpose, number as u64, spread.saturating_add(1)))
            };
            (day.arrive + later(Purpose::Arrival), day.leave + later(Purpose::Leaving))
        })
    }
}

/// From half to one and a half of `mean`, at least one second.
fn about(draws: Draws, client: ClientId, purpose: Purpose, now: u32, mean: u32) -> u32 {
    let more = draws.below(client, purpose, u64::from(now), mean.saturating_add(1));
    (mean / 2).saturating_add(more).max(1)
}

fn works(date: Date, weekends: bool, site: &Site) -> bool {
    let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    (weekends || !weekend) && !site.holidays.contains(&date)
}
