//! An alert as a message through an SMTP relay.

use std::fmt::Write as _;
use std::time::Duration;

use kms_page::text::escape;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport as _};

use crate::watch::alert::Alert;
use crate::watch::config::{Mail, MailTls};

pub(super) fn send(
    mail: &Mail,
    alert: &Alert,
    body: &str,
    timeout: Duration,
) -> Result<(), String> {
    let message = message(mail, alert, body)?;
    let relay = format!("relay {}:{}", mail.relay, mail.port);
    let transport = transport(mail, timeout).map_err(|error| format!("{relay}: {error}"))?;
    transport.send(&message).map(|_| ()).map_err(|error| format!("{relay}: {}", chain(&error)))
}

/// The text, with the alert as JSON attached.
fn message(mail: &Mail, alert: &Alert, body: &str) -> Result<Message, String> {
    let json = ContentType::parse("application/json").map_err(|error| error.to_string())?;
    let domain = mail.from.email.domain();
    let mut builder = Message::builder()
        .from(mail.from.clone())
        .subject(subject(alert))
        // The same for every attempt, so that relays and readers can drop a repetition.
        .message_id(Some(format!("<{}.kms-probe@{domain}>", alert.id)));
    for recipient in &mail.to {
        builder = builder.to(recipient.clone());
    }
    let file = Attachment::new("alert.json".to_owned()).body(body.to_owned(), json);
    let parts = MultiPart::mixed().singlepart(SinglePart::plain(text(alert))).singlepart(file);
    builder.multipart(parts).map_err(|error| error.to_string())
}

fn subject(alert: &Alert) -> String {
    let line = escape(&alert.summary);
    let mut subject: String = format!("[kms-probe] {line}").chars().take(SUBJECT_MAX).collect();
    if subject.chars().count() == SUBJECT_MAX {
        subject.push('…');
    }
    subject
}

fn text(alert: &Alert) -> String {
    let mut text = format!("{}\n\n", escape(&alert.summary));
    let mut row = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        writeln!(text, "{name:<12}{}", escape(value)).ok();
    };
    row("target", &alert.target);
    if let Some(source) = alert.source {
        row("from", &source.to_string());
    }
    row("verdict", &format!("{} ({})", alert.finding.verdict, alert.finding.severity.name()));
    row("cause", &alert.finding.cause);
    if let Some(remedy) = &alert.finding.remedy {
        row("remedy", remedy);
    }
    if !alert.finding.client_sees.is_empty() {
        row("clients see", &alert.finding.client_sees.join(", "));
    }
    if let Some(before) = &alert.before {
        row(
            "before",
            &format!("{} ({}) since {}", before.level.name(), before.verdict, before.since),
        );
    }
    for other in &alert.elsewhere {
        let source = other.source.map_or_else(|| "elsewhere".to_owned(), |it| it.to_string());
        let state = other.state.as_ref().map_or("not known yet", |state| state.level.name());
        row("from there", &format!("{source}: {state}"));
    }
    for tried in &alert.recovery {
        let outcome = tried.outcome.as_deref().unwrap_or("runs");
        let helped = match tried.helped {
            None => "not verified yet",
            Some(true) => "helped",
            Some(false) => "did not help",
        };
        row("recovery", &format!("{} {}: {outcome}, {helped}", tried.recovery, tried.attempt));
    }
    row("decided", &alert.at);
    row("id", &alert.id);
    text
}

fn transport(mail: &Mail, timeout: Duration) -> Result<SmtpTransport, String> {
    let parameters = || {
        let mut parameters = TlsParameters::builder(mail.relay.clone());
        if let Some(pem) = &mail.ca {
            let certificate = Certificate::from_pem(pem).map_err(|error| error.to_string())?;
            parameters = parameters.add_root_certificate(certificate);
        }
        parameters.build().map_err(|error| error.to_string())
    };
    let tls = match mail.tls {
        MailTls::None => Tls::None,
        MailTls::Starttls => Tls::Required(parameters()?),
        MailTls::Implicit => Tls::Wrapper(parameters()?),
    };
    let mut builder = SmtpTransport::builder_dangerous(&mail.relay)
        .port(mail.port)
        .tls(tls)
        .timeout(Some(timeout));
    if let Some((user, password)) = &mail.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    escape(&text).into_owned()
}

/// Characters of a subject.
const SUBJECT_MAX: usize = 200;
