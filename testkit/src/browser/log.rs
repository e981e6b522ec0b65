//! What a page said behind the scenes: its console, with the browser's own complaints such as broken content policies,
//! and every address it asked for. Pure: reads the driver's log entries.

use std::fmt::Write as _;

use serde_json::Value;

/// Console and requests, oldest first.
#[derive(Clone, Debug, Default)]
pub struct PageLog {
    /// Console entries, each as `LEVEL source: message`.
    pub console: Vec<String>,
    /// Addresses that were asked for, WebSockets included.
    pub requests: Vec<String>,
}

impl PageLog {
    /// The console entries that are errors or warnings.
    pub fn complaints(&self) -> Vec<&str> {
        let loud = |entry: &&String| entry.starts_with("SEVERE") || entry.starts_with("WARNING");
        self.console.iter().filter(loud).map(String::as_str).collect()
    }

    /// The addresses that are not of this origin (`https://host:port`), nor made up by the page itself, nor
    /// part of the browser, such as its empty tab.
    pub fn strangers(&self, origin: &str) -> Vec<&str> {
        let socket = origin.replacen("http", "ws", 1);
        let below = |address: &str, origin: &str| {
            let rest = address.strip_prefix(origin);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
        };
        let own = |address: &str| {
            below(address, origin)
                || below(address, &socket)
                || ["data:", "blob:", "about:", "chrome:"]
                    .iter()
                    .any(|scheme| address.starts_with(scheme))
        };
        let requests = self.requests.iter().map(String::as_str);
        requests.filter(|address| !own(address)).collect()
    }

    /// The console as text, for messages.
    pub fn console_text(&self) -> String {
        self.console.iter().fold(String::new(), |mut text, entry| {
            let _infallible = writeln!(text, "{entry}");
            text
        })
    }

    pub(super) fn add_console(&mut self, entries: &[Value]) {
        self.console.extend(entries.iter().map(|entry| {
            let part = |name: &str| entry[name].as_str().unwrap_or("?");
            format!("{} {}: {}", part("level"), part("source"), part("message"))
        }));
    }

    pub(super) fn add_network(&mut self, entries: &[Value]) {
        self.requests.extend(entries.iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &event["message"];
            let address = match event["method"].as_str()? {
                "Network.requestWillBeSent" => &event["params"]["request"]["url"],
                "Network.webSocketCreated" => &event["params"]["url"],
                _ => return None,
            };
            Some(address.as_str()?.to_owned())
        }));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::PageLog;

    #[test]
    fn addresses_come_out_of_the_browsers_events() {
        let entry = |text: &str| json!({ "level": "INFO", "message": text });
        let mut log = PageLog::default();
        log.add_network(&[
            entry(r#"{"message":{"method":"Network.requestWillBeSent","params":{"request":{"url":"https://a:1/x"}}}}"#),
            entry(r#"{"message":{"method":"Network.webSocketCreated","params":{"url":"wss://a:1/app"}}}"#),
            entry(r#"{"message":{"method":"Page.frameNavigated","params":{}}}"#),
            entry("no JSON"),
        ]);
        assert_eq!(log.requests, ["https://a:1/x", "wss://a:1/app"]);
    }

    #[test]
    fn only_the_same_origin_is_no_stranger() {
        let requests = [
            "https://a:1",
            "https://a:1/x",
            "wss://a:1/app?protocol=7",
            "data:image/svg+xml,",
            "chrome://resources/js/util.js",
            "https://a:12/x",
            "http://a:1/x",
            "https://a:1.evil/x",
            "wss://b:1/app",
        ];
        let log = PageLog {
            requests: requests.map(str::to_owned).to_vec(),
            ..PageLog::default()
        };
        assert_eq!(log.strangers("https://a:1"), requests[5..]);
    }

    #[test]
    fn complaints_are_loud() {
        let entry = |level: &str| json!({ "level": level, "source": "security", "message": "m" });
        let mut log = PageLog::default();
        log.add_console(&["INFO", "SEVERE", "DEBUG", "WARNING"].map(entry));
        assert_eq!(log.complaints(), ["SEVERE security: m", "WARNING security: m"]);
        assert_eq!(log.console_text().lines().count(), 4);
    }
}
