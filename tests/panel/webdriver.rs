//! A real browser, headless, by the WebDriver protocol: what a person sees, and the keys that they press.

use super::client::{exchange, send};
use crate::common::kept::{self, Kept, free_ports};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Where pictures are left for people to look at.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/panel");

/// Debian's, which `tests/run.sh servers` installs.
const DRIVER: &str = "/usr/bin/chromedriver";

/// Keys, as the protocol names them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";

/// A browser with one page open.
pub struct Browser {
    _driver: Kept,
    address: SocketAddr,
    session: String,
    pub downloads: PathBuf,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With the session ends the browser; what is said to that does not matter.
        let mut stream = send(self.address, self.request("DELETE", "", "").as_bytes());
        let _ = stream.read(&mut [0; 100]);
    }
}

impl Browser {
    pub fn start() -> Self {
        assert!(Path::new(DRIVER).exists(), "{DRIVER} is missing: run `tests/run.sh servers`");
        let folder = kept::folder();
        let port = free_ports(1)[0];
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let driver = Kept::start(folder.clone(), Path::new(DRIVER), vec![format!("--port={port}")]);
        driver.await_start(|| TcpStream::connect(address).is_ok());
        let downloads = folder.join("downloads");
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let options = json!({
            "args": ["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900", profile],
            "prefs": { "download.default_directory": downloads },
        });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let mut browser = Browser { _driver: driver, address, session: String::new(), downloads };
        let made = browser.call("", &wanted);
        browser.session =
            format!("/{}", made["sessionId"].as_str().unwrap_or_else(|| panic!("{made}")));
        browser
    }

    fn request(&self, method: &str, path: &str, body: &str) -> String {
        format!(
            "{method} /session{}{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.session,
            self.address,
            body.len()
        )
    }

    fn call(&self, path: &str, body: &Value) -> Value {
        let request = self.request("POST", path, &body.to_string());
        let answer = exchange(self.address, request.as_bytes());
        let value: Value = serde_json::from_slice(&answer.body).unwrap();
        value["value"].clone()
    }

    pub fn go(&self, url: &str) {
        self.call("/url", &json!({ "url": url }));
    }

    /// What a script of one expression yields; null while a page is being loaded.
    pub fn ask(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.call("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What can be read on the page.
    pub fn text(&self) -> String {
        self.ask("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until something can be read on the page.
    pub fn wait_for(&self, text: &str) {
        let begun = Instant::now();
        while !self.text().contains(text) {
            assert!(begun.elapsed() < Duration::from_secs(60), "no {text:?} in {}", self.text());
            sleep(Duration::from_millis(100));
        }
    }

    /// Presses a key and lets it go.
    pub fn press(&self, key: &str) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": keys }]);
        self.call("/actions", &json!({ "actions": actions }));
    }

    /// Goes from one thing to the next by the Tab key, until one is reached whose text begins like this, and
    /// that can be seen to be reached; presses Enter there.
    pub fn choose(&self, text: &str) {
        for _ in 0..100 {
            self.press(TAB);
            let reached = self.ask("document.activeElement.textContent.trim()");
            if reached.as_str().is_some_and(|reached| reached.starts_with(text)) {
                let outline = self.ask("getComputedStyle(document.activeElement).outlineStyle");
                assert_eq!(outline, "solid", "nobody sees that {text:?} is reached");
                return self.press(ENTER);
            }
        }
        panic!("{text:?} is not reached by keyboard: {}", self.text());
    }

    /// A command of Chrome's own protocol.
    pub fn command(&self, name: &str, params: &Value) -> Value {
        self.call("/goog/cdp/execute", &json!({ "cmd": name, "params": params }))
    }

    /// Light or dark, as the system would have it.
    pub fn set_scheme(&self, scheme: &str) {
        let feature = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.command("Emulation.setEmulatedMedia", &json!({ "features": feature }));
    }

    /// As wide as a phone.
    pub fn be_a_phone(&self) {
        let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.command("Emulation.setDeviceMetricsOverride", &phone);
    }

    /// Leaves a picture of the whole page.
    pub fn picture(&self, name: &str) {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let taken = self.command("Page.captureScreenshot", &params);
        let png = BASE64_STANDARD.decode(taken["data"].as_str().expect(name)).unwrap();
        fs::create_dir_all(PICTURES).unwrap();
        fs::write(Path::new(PICTURES).join(format!("{name}.png")), png).unwrap();
    }
}
