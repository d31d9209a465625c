//! A stand-in for the jobs site that the guide asks, which is gone: real HTTP, on this machine alone.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Serves a list of jobs and the pages of the companies that offer them; one of them answers 500.
///
/// Dropping it ends the server.
#[derive(Debug)]
pub struct JobsSite {
    local_addr: SocketAddr,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl JobsSite {
    /// Starts the site on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// Where no port can be had, or no thread.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let local_addr = listener.local_addr()?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("jobs-site".to_owned()).spawn({
            let is_stopped = Arc::clone(&is_stopped);
            move || serve(&listener, local_addr, &is_stopped)
        })?;
        Ok(Self { local_addr, is_stopped, thread: Some(thread) })
    }

    /// Returns the address of the list, with the query of the guide.
    pub fn positions_url(&self) -> String {
        format!("http://{}{POSITIONS_PATH}?description=python", self.local_addr)
    }
}

impl Drop for JobsSite {
    fn drop(&mut self) {
        // Relaxed: the connection below comes after it.
        self.is_stopped.store(true, Ordering::Relaxed);
        let is_woken = TcpStream::connect_timeout(&self.local_addr, REQUEST_TIMEOUT).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| is_woken) {
            let _ = thread.join();
        }
    }
}

/// A job of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Who offers it.
    pub company: String,
    /// The page of the company.
    pub company_url: String,
}

/// Reads the list of jobs.
///
/// # Errors
///
/// Where the text is not a JSON list of objects with a `company` and a `company_url`.
pub fn read_jobs(text: &str) -> Result<Vec<Job>, Box<dyn Error>> {
    let positions: Value = serde_json::from_str(text)?;
    let positions = positions.as_array().ok_or("the answer is not a list of jobs")?;
    let read = |position: &Value, key| position.get(key).and_then(Value::as_str).map(str::to_owned);
    let jobs: Option<Vec<Job>> = positions
        .iter()
        .map(|position| {
            Some(Job {
                company: read(position, "company")?,
                company_url: read(position, "company_url")?,
            })
        })
        .collect();
    jobs.ok_or_else(|| "a job has no company".into())
}

fn serve(listener: &TcpListener, local_addr: SocketAddr, is_stopped: &AtomicBool) {
    for connection in listener.incoming() {
        // Relaxed: see the drop.
        if is_stopped.load(Ordering::Relaxed) {
            return;
        }
        match connection {
            // A visitor who goes away is no reason to close the site.
            Ok(connection) => drop(answer(connection, local_addr)),
            // Where files run out, the next attempt fails at once.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn answer(mut connection: TcpStream, local_addr: SocketAddr) -> io::Result<()> {
    let head = read_head(&mut connection)?;
    let (status, content_type, body) = page(path_of(&head), local_addr);
    connection.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Reads a request up to the empty line.
fn read_head(connection: &mut TcpStream) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > MAX_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        connection.set_read_timeout(Some(left))?;
        match connection.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n_bytes => head.extend_from_slice(&chunk[..n_bytes]),
        }
    }
    Ok(head)
}

/// Finds the path of a GET request, without its query.
fn path_of(head: &[u8]) -> Option<&str> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let target = std::str::from_utf8(line).ok()?.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    target.split('?').next()
}

fn page(path: Option<&str>, local_addr: SocketAddr) -> (&'static str, &'static str, String) {
    let url_of = |company: &Company| format!("http://{local_addr}{}", company.path);
    if path == Some(POSITIONS_PATH) {
        let positions: Vec<Value> = COMPANIES
            .iter()
            .map(|company| json!({ "company": company.name, "company_url": url_of(company) }))
            .collect();
        return ("200 OK", "application/json", Value::from(positions).to_string());
    }
    let Some(company) = COMPANIES.iter().find(|company| Some(company.path) == path) else {
        return ("404 Not Found", "text/plain", "there is no such page\n".to_owned());
    };
    thread::sleep(company.delay);
    match company.is_up {
        true => ("200 OK", "text/plain", format!("Welcome to {}\n", company.name)),
        false => ("500 Internal Server Error", "text/plain", "the page is broken\n".to_owned()),
    }
}

/// A company with a page.
struct Company {
    name: &'static str,
    path: &'static str,
    /// Pages take their time, so that a timeline has something to show.
    delay: Duration,
    is_up: bool,
}

const COMPANIES: [Company; 3] = [
    Company {
        name: "Alder Analytics",
        path: "/alder",
        delay: Duration::from_millis(4),
        is_up: true,
    },
    Company {
        name: "Birch Robotics",
        path: "/birch",
        delay: Duration::from_millis(11),
        is_up: false,
    },
    Company { name: "Cedar Maps", path: "/cedar", delay: Duration::from_millis(7), is_up: true },
];
const POSITIONS_PATH: &str = "/positions.json";
/// How long a visitor may take to say what they want.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_HEAD_BYTES: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(site: &JobsSite, request: &[u8]) -> String {
        let mut connection = TcpStream::connect(site.local_addr).unwrap();
        connection.write_all(request).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(site: &JobsSite, url: &str) -> (String, String) {
        let path = url.strip_prefix(&format!("http://{}", site.local_addr)).unwrap();
        let answer =
            ask(site, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    #[test]
    fn the_site_lists_three_jobs_of_which_one_page_is_broken() {
        let site = JobsSite::start().unwrap();
        let (status, body) = get(&site, &site.positions_url());
        assert_eq!(status, "HTTP/1.1 200 OK");
        let pages: Vec<(String, String)> = read_jobs(&body)
            .unwrap()
            .into_iter()
            .map(|job| (job.company, get(&site, &job.company_url).0))
            .collect();
        let expected = [
            ("Alder Analytics", "HTTP/1.1 200 OK"),
            ("Birch Robotics", "HTTP/1.1 500 Internal Server Error"),
            ("Cedar Maps", "HTTP/1.1 200 OK"),
        ];
        assert_eq!(
            pages,
            expected.map(|(company, status)| (company.to_owned(), status.to_owned()))
        );
    }

    #[test]
    fn strange_requests_get_an_answer_and_harm_nobody() {
        let site = JobsSite::start().unwrap();
        for request in
            [&b"\r\n\r\n"[..], b"POST /alder HTTP/1.1\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"]
        {
            assert!(ask(&site, request).starts_with("HTTP/1.1 404 Not Found\r\n"), "{request:?}");
        }
        drop(TcpStream::connect(site.local_addr).unwrap());
        assert_eq!(get(&site, &site.positions_url()).0, "HTTP/1.1 200 OK");
    }

    #[test]
    fn a_list_of_jobs_is_read_or_refused() {
        assert_eq!(read_jobs("[]").unwrap(), []);
        let job = Job { company: "Ash".to_owned(), company_url: "http://ash".to_owned() };
        assert_eq!(
            read_jobs(r#"[{"company": "Ash", "company_url": "http://ash", "id": 7}]"#).unwrap(),
            [job]
        );
        for text in
            ["", "{}", "[1]", r#"[{"company": "Ash"}]"#, r#"[{"company": 1, "company_url": ""}]"#]
        {
            assert!(read_jobs(text).is_err(), "{text}");
        }
    }
}
