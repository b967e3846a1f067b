//! Checks for Prometheus, by its multi-target convention: `/probe?target=T&module=M`.
//!
//! `settings` says which modules there are and `allow` which targets; `probe` answers one scrape;
//! `routes` and `server` are the edges.

mod allow;
mod metrics;
mod page;
mod probe;
mod recent;
mod routes;
mod server;
mod settings;
mod token;

pub use allow::{AllowList, Rule, RuleError};
pub use settings::{MODULE_DEFAULT, Module, Settings};
pub use token::{TOKEN_BYTES_MAX, Token, TokenError};

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use self::metrics::Metrics;
use self::recent::Recent;
use crate::check::Report;

/// How to run an exporter.
pub struct Options {
    /// Where to listen; port 0 takes a free port.
    pub listen: SocketAddr,
    /// Probes at the same time.
    pub places: usize,
    /// How much of a scrape's time is kept for the answer's way back.
    pub reserve: Duration,
    /// The time of a scrape that does not say how long it waits.
    pub scrape_timeout: Duration,
    /// What every request but `/-/healthy` has to show.
    pub token: Option<Token>,
    /// Reads the modules file again.
    pub load: Box<dyn Fn() -> anyhow::Result<Settings> + Send + Sync>,
    /// Told of every check; it must not wait.
    pub observe: Option<Observe>,
}

/// What is told of every check.
pub type Observe = Box<dyn Fn(&Report) + Send + Sync>;

/// A running exporter.
struct Exporter {
    options: Options,
    settings: RwLock<Arc<Settings>>,
    metrics: Metrics,
    recent: Mutex<Recent>,
    places: Arc<Semaphore>,
}

/// Runs until `stop` comes; `say` is told what a person at the console should know.
///
/// # Errors
/// A modules file that cannot be used, or an address that cannot be listened on.
pub fn run(options: Options, say: impl Fn(&str) + Send + Sync + 'static) -> anyhow::Result<()> {
    let settings = (options.load)()?;
    let exporter = Exporter::new(options, settings);
    server::run(Arc::new(exporter), Box::new(say))
}

impl Exporter {
    fn new(options: Options, settings: Settings) -> Self {
        let exporter = Self {
            metrics: Metrics::new(options.places),
            recent: Mutex::default(),
            places: Arc::new(Semaphore::new(options.places)),
            settings: RwLock::new(Arc::new(settings)),
            options,
        };
        exporter.metrics.reloaded(Some(exporter.settings().modules.len()), now_s());
        exporter
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what the file says now, or stays with what it said before.
    fn reload(&self) -> anyhow::Result<()> {
        match (self.options.load)() {
            Ok(settings) => {
                self.metrics.reloaded(Some(settings.modules.len()), now_s());
                let settings = Arc::new(settings);
                *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
                Ok(())
            }
            Err(error) => {
                self.metrics.reloaded(None, now_s());
                Err(error)
            }
        }
    }
}

fn now_s() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

/// Places of an exporter: each may hold a thread for as long as its stages take.
pub const PLACES_MAX: usize = 1000;
