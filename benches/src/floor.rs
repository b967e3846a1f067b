//! The floor: a bare tokio server that takes messages of fixed lengths and answers with messages of
//! fixed lengths. It has the threads of `kms-sim serve` (one listener and one single-threaded runtime
//! per worker) and none of its work.

use std::io;
use std::net::SocketAddr;
use std::thread;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::script::Sizes;

/// Answers that a client accepts, but for the call id, which the server copies from the question.
#[derive(Clone, Debug)]
pub struct Answers {
    /// To the bind.
    pub bind_ack: Vec<u8>,
    /// To every call.
    pub response: Vec<u8>,
}

/// Serves until the process is ended.
///
/// # Errors
/// When the address cannot be listened on, or a worker fails.
pub fn serve(address: SocketAddr, sizes: Sizes, workers: usize) -> Result<()> {
    let [bind_ack, response] = [sizes.bind_ack, sizes.response].map(sized_message);
    serve_answers(address, sizes, workers, &Answers { bind_ack, response })
}

/// The same with these answers.
///
/// # Errors
/// As [`serve`].
pub fn serve_answers(
    address: SocketAddr,
    sizes: Sizes,
    workers: usize,
    answers: &Answers,
) -> Result<()> {
    let listeners = (0..workers).map(|_| listen(address)).collect::<Result<Vec<_>>>()?;
    let threads: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let answers = answers.clone();
            thread::spawn(move || run_worker(listener, sizes, answers))
        })
        .collect();
    threads
        .into_iter()
        .try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
}

fn listen(address: SocketAddr) -> Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into()).with_context(|| format!("floor: cannot bind `{address}`"))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn run_worker(listener: std::net::TcpListener, sizes: Sizes, answers: Answers) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let answers = answers.clone();
            tokio::spawn(async move {
                // A peer that leaves ends its connection and nothing else.
                answer(stream, sizes, answers).await.unwrap_or_default();
            });
        }
    })
}

async fn answer(mut stream: TcpStream, sizes: Sizes, answers: Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // One byte too many: a read that does not fill its buffer tells tokio that the socket is empty,
    // and saves the system call that would find out.
    let mut question = vec![0; sizes.bind.max(sizes.request) + 1];
    let Answers { mut bind_ack, mut response } = answers;
    let (mut length, mut answer) = (sizes.bind, &mut bind_ack);
    loop {
        read_message(&mut stream, &mut question, length).await?;
        if let (Some(asked), Some(answered)) = (question.get(CALL_ID), answer.get_mut(CALL_ID)) {
            answered.copy_from_slice(asked);
        }
        stream.write_all(answer).await?;
        (length, answer) = (sizes.request, &mut response);
    }
}

async fn read_message(stream: &mut TcpStream, buffer: &mut [u8], length: usize) -> io::Result<()> {
    let mut filled = 0;
    while filled < length {
        match stream.read(buffer.get_mut(filled..).unwrap_or_default()).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(())
}

/// Zeros that state their length where a PDU does, for that is what the client checks.
fn sized_message(length: usize) -> Vec<u8> {
    let mut message = vec![0; length];
    let stated = u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    if let Some(field) = message.get_mut(FRAG_LENGTH..FRAG_LENGTH + 2) {
        field.copy_from_slice(&stated);
    }
    message
}

/// Offset of the length in every PDU, C706 12.6.3.1.
pub const FRAG_LENGTH: usize = 8;

/// The call id of every PDU.
const CALL_ID: std::ops::Range<usize> = 12..16;

const BACKLOG: i32 = 4096;
