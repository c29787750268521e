//! Sends one GET request over a local socket and prints the answer.
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/run/api.sock".to_string());
    let mut socket = UnixStream::connect(&path)?;
    socket.write_all(b"GET /os HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let lines: Vec<&[u8]> = answer.split(|byte| *byte == b'\n').collect();
    println!("{} lines from {path}, first {:?}", lines.len(), lines[0]);
    Ok(())
}
