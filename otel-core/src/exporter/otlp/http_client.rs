//! The transport that is there by default: the one file that opens connections.

use std::fmt;
use std::io::Read;

use ureq::Agent;

use super::transport::{HttpAnswer, HttpError, HttpPost, HttpTransport};
use crate::exporter::ForkRecipe;

/// Posts by `ureq`, and keeps the connection for the next request.
pub(super) struct HttpClient {
    agent: Agent,
}

impl HttpClient {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            // A status is an answer, and a redirect as well: headers with a secret are not to be sent on.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The environment's proxy is not asked: it seldom is meant for a Collector, which mostly is near.
            .proxy(None)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .build();
        Self { agent: config.into() }
    }
}

impl HttpTransport for HttpClient {
    fn post(&mut self, post: &HttpPost<'_>) -> Result<HttpAnswer, HttpError> {
        let request = self.agent.post(post.url).config().timeout_global(Some(post.timeout)).build();
        let request =
            post.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let mut answer = request.send(post.body)?;
        let retry_after = answer.headers().get("retry-after");
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        let mut reader = answer.body_mut().as_reader().take(HttpAnswer::MAX_ANSWER_BYTES as u64);
        // The status says it all: what is missing of the body is no reason to send the spans a second time.
        let _ = reader.read_to_end(&mut body);
        Ok(HttpAnswer { status: answer.status().as_u16(), retry_after, body })
    }

    fn fork_recipe(&self) -> Option<ForkRecipe<dyn HttpTransport>> {
        let make = || -> Box<dyn HttpTransport> { Box::new(Self::new()) };
        Some(ForkRecipe::new(make))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}
