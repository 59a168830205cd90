//! A receiver that answers as a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::PATIENCE;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method and the path.
    pub line: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header; empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// An answer: the status, further headers and the body.
pub type Answer = (u16, &'static str, Vec<u8>);

/// What a receiver of remote write 2.0 answers.
pub const WRITTEN: &str = "X-Prometheus-Remote-Write-Samples-Written: 1\r\n";

/// A server on loopback.
pub struct Stub {
    pub address: SocketAddr,
    requests: Receiver<Request>,
}

impl Stub {
    /// Answers each request as `answer` says.
    pub fn start(answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::start_at(TcpListener::bind("127.0.0.1:0").expect("a port"), answer)
    }

    /// The same on this socket.
    pub fn start_at(listener: TcpListener, answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = mpsc::channel();
        let answer = Arc::new(Mutex::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, answer) = (sender.clone(), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &sender, |request| answer.lock().expect("no panic")(request)));
            }
        });
        Self { address, requests }
    }

    /// The next request.
    pub fn next(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("a request arrives")
    }

    /// The first of the next requests for which `find` has something.
    pub fn find<T>(&self, find: impl Fn(&Request) -> Option<T>) -> T {
        loop {
            if let Some(found) = find(&self.next()) {
                return found;
            }
        }
    }
}

/// Reads requests until the client closes the connection.
pub fn serve(stream: impl Read + Write, sender: &Sender<Request>, mut answer: impl FnMut(&Request) -> Answer) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let (status, headers, body) = answer(&request);
        let _ = sender.send(request); // the test may be over
        // A status of 0 closes the connection without an answer.
        let head = format!("HTTP/1.1 {status} -\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        let bytes = [head.into_bytes(), body].concat();
        if status == 0 || stream.get_mut().write_all(&bytes).is_err() {
            return;
        }
    }
}

fn read(stream: &mut impl BufRead) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|len| *len > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.split_once(": ") {
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut request = Request { line: first, headers, body: Vec::new() };
    request.body = vec![0; request.header("content-length").parse().expect("a length")];
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// The stream of a connection, in case a test needs TLS below HTTP.
pub fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().expect("the sidecar connects").0
}
