//! Look-ups of a sweep: a bounded number at a time, and each question once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context as _, anyhow};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore, oneshot};

use super::input::Row;
use crate::check::{self, Options};
use crate::dns::system::SystemConfig;
use crate::stage::resolve::{self, Resolved};
use crate::target::Target;

/// The DNS client of a sweep. Its runtime ends with it.
pub(super) struct Names {
    handle: Handle,
    at_once: Arc<Semaphore>,
    system: SystemConfig,
    options: Options,
    asked: Mutex<HashMap<Key, Question>>,
    _end: oneshot::Sender<()>,
}

/// A question: whom, and for what.
type Key = (Vec<SocketAddr>, String);

/// What was found, once somebody has looked it up; errors in words, for they are shared.
type Answer = Arc<OnceCell<Arc<Result<Vec<Resolved>, String>>>>;

/// An answer that is shared by all rows which ask for it, and dropped with the last of them.
struct Question {
    answer: Answer,
    rows_to_come: usize,
}

impl Names {
    /// A client for the rows `numbers` of a list; `None` where none of them needs DNS.
    ///
    /// # Errors
    /// When the configuration of this machine is needed and cannot be read.
    pub(super) fn start<'a>(
        rows: impl Iterator<Item = &'a Row>,
        options: &Options,
        at_once: usize,
    ) -> anyhow::Result<Option<Self>> {
        let mut asked = HashMap::new();
        let mut needs_system = false;
        for row in rows.filter(|row| !matches!(row.asked.target, Target::Address(_))) {
            needs_system |= row.resolvers.is_empty() && options.resolvers.is_empty();
            let question = || Question { answer: Arc::default(), rows_to_come: 0 };
            asked.entry(key(row)).or_insert_with(question).rows_to_come += 1;
        }
        if asked.is_empty() {
            return Ok(None);
        }
        let system = match SystemConfig::load() {
            Ok(system) => system,
            Err(_) if !needs_system => SystemConfig::default(),
            Err(error) => return Err(error.into()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the DNS client")?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("names".to_owned()).spawn(move || {
            // Ends when the sender is dropped.
            let _dropped = runtime.block_on(ended);
        })?;
        Ok(Some(Self {
            handle,
            at_once: Arc::new(Semaphore::new(at_once)),
            system,
            options: options.clone(),
            asked: Mutex::new(asked),
            _end: end,
        }))
    }

    /// What the look-ups of a row give. Blocks until they have ended.
    ///
    /// # Errors
    /// Only this program's own failure.
    pub(super) fn look_up(&self, row: &Row) -> anyhow::Result<Vec<Resolved>> {
        let cell = self.take(row)?;
        let own = if row.resolvers.is_empty() { &self.options.resolvers } else { &row.resolvers };
        let dns = resolve::Options {
            ask_system: self.options.ask_system,
            origin: self.options.origin,
            ..resolve::Options::new(self.system.clone(), own, self.options.timeouts.dns)
        };
        let (target, at_once) = (row.asked.target.clone(), Arc::clone(&self.at_once));
        let (sender, receiver) = oneshot::channel();
        self.handle.spawn(async move {
            let ask = async {
                let _permit = at_once.acquire().await;
                let found = check::look_up_one(&target, &dns).await;
                Arc::new(found.map_err(|error| format!("{error:#}")))
            };
            let answer = Arc::clone(cell.get_or_init(|| ask).await);
            // Nobody waits any more where the sweep was stopped.
            drop(sender.send(answer));
        });
        let answer = receiver.blocking_recv().context("the DNS client has ended")?;
        let answer = Arc::try_unwrap(answer).unwrap_or_else(|shared| (*shared).clone());
        answer.map_err(anyhow::Error::msg)
    }

    /// The answer's place; the last row that needs it takes it out.
    fn take(&self, row: &Row) -> anyhow::Result<Answer> {
        let key = key(row);
        let mut asked = self.asked.lock().map_err(|_| anyhow!("a worker has failed"))?;
        let question = asked.get_mut(&key).context("a row that was not announced")?;
        question.rows_to_come = question.rows_to_come.saturating_sub(1);
        let answer = Arc::clone(&question.answer);
        if question.rows_to_come == 0 {
            asked.remove(&key);
        }
        Ok(answer)
    }
}

fn key(row: &Row) -> Key {
    (row.resolvers.clone(), format!("{:?}", row.asked.target))
}
