//! Telling somebody: one attempt to give one alert to one channel. Blocking; it runs on a thread of its
//! own. When to try again is decided elsewhere.

mod command;
mod mail;
mod webhook;

pub use self::command::environment;
use super::alert::Alert;
use super::config::{Channel, Means};
use super::moment::Moment;

/// Makes one attempt. `body` is the alert as JSON.
///
/// # Errors
/// What was tried, and what came back, in one line without secrets.
pub fn attempt(channel: &Channel, body: &str, now: Moment) -> Result<(), String> {
    match &channel.means {
        Means::Webhook(webhook) => webhook::send(webhook, body, now, channel.timeout),
        Means::Mail(mail) => mail::send(mail, &read(body)?, body, channel.timeout),
        Means::Command(command) => command::run(command, &read(body)?, body, channel.timeout),
    }
}

fn read(body: &str) -> Result<Alert, String> {
    serde_json::from_str(body).map_err(|error| format!("the alert in the history: {error}"))
}
