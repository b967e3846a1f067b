//! The screen and the keyboard: a thread that draws when there is something new, and listens.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::cursor::{Cursor, Key};
use super::draw::draw;
use super::model::{Look, Model};

/// The view of a running watch. The terminal is as it was once this is dropped.
#[derive(Debug)]
pub struct View {
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    model: Model,
    is_new: bool,
    is_ended: bool,
}

impl View {
    /// Whether there is a person in front: a terminal to write to and to read keys from.
    #[must_use]
    pub fn is_possible() -> bool {
        io::stdout().is_terminal()
            && io::stdin().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Takes the terminal over. `quit` is called once when the person wants the end.
    ///
    /// # Errors
    /// What the terminal returns.
    pub fn start(has_colour: bool, quit: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let screen = Screen::take()?;
        let shared = Arc::new(Mutex::new(Shared { is_new: true, ..Shared::default() }));
        let seen = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("view".to_owned()).spawn(move || {
            // A terminal that is gone has nobody in front of it either.
            let _gone = show(screen, &seen, has_colour, quit);
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Changes what there is to see.
    pub fn change(&self, change: impl FnOnce(&mut Model)) {
        let mut shared = lock(&self.shared);
        change(&mut shared.model);
        shared.is_new = true;
    }
}

impl Drop for View {
    fn drop(&mut self) {
        lock(&self.shared).is_ended = true;
        if let Some(thread) = self.thread.take() {
            let _restored_in_any_case = thread.join();
        }
    }
}

fn show(
    mut screen: Screen,
    shared: &Mutex<Shared>,
    has_colour: bool,
    quit: impl FnOnce(),
) -> io::Result<()> {
    let (mut quit, mut cursor) = (Some(quit), Cursor::default());
    let mut model = Model::default();
    loop {
        let mut is_new = false;
        {
            let mut shared = lock(shared);
            if shared.is_ended {
                return Ok(());
            }
            if std::mem::take(&mut shared.is_new) {
                (model, is_new) = (shared.model.clone(), true);
            }
        }
        if is_new {
            screen.terminal.draw(|frame| draw(frame, &model, cursor, has_colour))?;
        }
        if !event::poll(POLL)? {
            continue;
        }
        match event::read()? {
            Event::Key(event) => match Key::of(&event) {
                Key::Quit => {
                    if let Some(quit) = quit.take() {
                        quit();
                    }
                }
                key => {
                    let is_bad: Vec<bool> =
                        model.rows.iter().map(|row| row.look > Look::Up).collect();
                    cursor.press(key, &is_bad);
                }
            },
            _ => screen.terminal.autoresize()?,
        }
        screen.terminal.draw(|frame| draw(frame, &model, cursor, has_colour))?;
    }
}

/// The terminal while it is ours. Standard output is written to through a descriptor of its own, for
/// the program holds the lock of the usual one.
struct Screen {
    terminal: Terminal<CrosstermBackend<File>>,
}

impl Screen {
    fn take() -> io::Result<Self> {
        let mut out = own_stdout()?;
        enable_raw_mode()?;
        let taken = execute!(out, EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(out)));
        if taken.is_err() {
            let _at_least_tried = disable_raw_mode();
        }
        Ok(Self { terminal: taken? })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _gone = self.terminal.show_cursor();
        let _gone = execute!(self.terminal.backend_mut(), LeaveAlternateScreen);
        let _gone = disable_raw_mode();
    }
}

#[cfg(unix)]
fn own_stdout() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn own_stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a change may wait to be drawn.
const POLL: Duration = Duration::from_millis(100);
