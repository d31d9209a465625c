//! An HTTP server on this machine that runs until it is told to stop.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

use crate::say;

/// A server that listens; nobody is answered before [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on a port of the loopback interface; on a free one for port 0.
    ///
    /// # Errors
    ///
    /// Where somebody else listens there already; the message names the port.
    pub async fn bind(port: u16) -> io::Result<Self> {
        let explain = |error: io::Error| {
            io::Error::new(error.kind(), format!("port {port} cannot be listened on: {error}"))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(explain)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Returns the URL of the server, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers until Ctrl-C is pressed or the program is asked to terminate, then lets open requests end.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn run(self, name: &str, router: Router) -> io::Result<()> {
        say!("{name} listens at {}; Ctrl-C stops it.", self.url());
        axum::serve(self.listener, router).with_graceful_shutdown(stop_signal()).await
    }

    /// Answers until the runtime ends.
    pub async fn run_forever(self, router: Router) {
        // It returns for no other reason than a shutdown, and none is asked for.
        let _ = axum::serve(self.listener, router).await;
    }
}

/// Waits for Ctrl-C or, on Unix, for SIGTERM.
async fn stop_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::select! {
            _ = interrupted => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    // A system that gives no signals stops the program, and not the server in it.
    if interrupted.await.is_err() {
        pending().await
    }
}
