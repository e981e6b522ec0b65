//! What one does with a page: opens it, waits for what should be there, clicks, reads.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Browser;
use crate::limits::PATIENCE;
use crate::wait::wait_for;

/// The visible elements of a selector whose text contains the words. `arguments`: selector, words.
const FIND: &str = "
  const [selector, words] = arguments;
  const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && element.innerText.includes(words);
  return [...document.querySelectorAll(selector)].filter(shown);";

impl Browser {
    /// Opens an address and waits until it is loaded.
    pub fn open(&self, address: &str) -> Result<()> {
        self.driver.open(address)
    }

    /// The address of the page.
    pub fn address(&self) -> Result<String> {
        let address = self.run("return location.href")?;
        Ok(address.as_str().context("the page has no address")?.to_owned())
    }

    /// Waits until a function body returns something that is not `null`, `false`, `""` or `0`, and gives it.
    pub fn wait_for(&self, what: &str, script: &str) -> Result<Value> {
        self.wait_with(what, script, &[])
    }

    /// The same, with `arguments`.
    pub fn wait_with(&self, what: &str, script: &str, arguments: &[Value]) -> Result<Value> {
        let mut last = None;
        let found = wait_for(what, PATIENCE, || {
            // While a page goes and the next one comes there may be nothing to look at.
            match self.run_with(script, arguments.to_vec()) {
                Ok(Value::Null | Value::Bool(false)) => None,
                Ok(value) if value == "" || value == 0 => None,
                Ok(value) => Some(value),
                Err(error) => {
                    last = Some(error);
                    None
                }
            }
        });
        match (found, last) {
            (Ok(value), _) => Ok(value),
            (Err(error), Some(last)) => Err(error.context(format!("the last look failed: {last:#}"))),
            (Err(error), None) => Err(error),
        }
    }

    /// Waits until something visible of this selector has these words in its text.
    pub fn see(&self, selector: &str, words: &str) -> Result<()> {
        let what = format!("{words:?} in {selector}");
        let script = format!("const found = (function () {{ {FIND} }})(...arguments); return found.length;");
        self.wait_with(&what, &script, &[json!(selector), json!(words)])?;
        Ok(())
    }

    /// Waits for the one visible element of this selector with these words, and clicks it.
    pub fn click(&self, selector: &str, words: &str) -> Result<()> {
        let what = format!("one {selector} with {words:?} to click");
        let mut said = String::new();
        let clicked = wait_for(&what, PATIENCE, || {
            let found = match self.run_with(FIND, vec![json!(selector), json!(words)]) {
                Ok(found) => found.as_array().cloned().unwrap_or_default(),
                Err(error) => {
                    said = format!("{error:#}");
                    return None;
                }
            };
            let [element] = found.as_slice() else {
                said = format!("there are {}", found.len());
                return None;
            };
            // It may have moved or been replaced in between; the next look finds it again.
            self.driver
                .click(element)
                .inspect_err(|error| said = format!("{error:#}"))
                .ok()
        });
        if let Err(error) = clicked {
            bail!("{error}: {said}");
        }
        Ok(())
    }

    /// The text of each element of this selector, in order, whether visible or not.
    pub fn texts(&self, selector: &str) -> Result<Vec<String>> {
        let script =
            "return [...document.querySelectorAll(arguments[0])].map((element) => element.textContent)";
        let texts = self.run_with(script, vec![json!(selector)])?;
        serde_json::from_value(texts).context("the texts of a page are no texts")
    }
}
