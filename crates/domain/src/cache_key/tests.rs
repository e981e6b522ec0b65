//! Templates in, keys or complaints out.

use super::*;

struct Job;

impl Values for Job {
    fn branch(&self) -> String {
        "main".to_owned()
    }
    fn build_num(&self) -> String {
        "7".to_owned()
    }
    fn checkout_key(&self) -> String {
        "ssh".to_owned()
    }
    fn revision(&self) -> String {
        "abc".to_owned()
    }
    fn environment(&self, name: &str) -> String {
        if name == "A_1" {
            "a".to_owned()
        } else {
            String::new()
        }
    }
    fn arch(&self) -> String {
        "linux-amd64-6_85".to_owned()
    }
    fn epoch(&self) -> u64 {
        1_000_000
    }
    fn checksum(&self, path: &str) -> Result<String, String> {
        if path == "missing" {
            return Err("there is no such file".to_owned());
        }
        Ok(format!("<{path}>"))
    }
}

fn key(template: &str) -> Result<String, String> {
    let parsed = Template::parse(template).map_err(|error| format!("{}: {error}", error.at))?;
    parsed.fill_in(&Job).map_err(|error| error.to_string())
}

#[test]
fn every_name_has_its_value() {
    let cases = [
        ("plain", "plain"),
        ("", ""),
        ("v1-{{ .Branch }}-{{.Revision}}", "v1-main-abc"),
        ("{{ .BuildNum }}.{{ .CheckoutKey }}", "7.ssh"),
        ("{{ .Environment.A_1 }}{{.Environment.NONE}}", "a"),
        ("{{ arch }}-{{epoch}}", "linux-amd64-6_85-1000000"),
        (r#"{{ checksum "go.sum" }}"#, "<go.sum>"),
        ("{{ checksum 'go.sum' }}{{ checksum `a b` }}", "<go.sum><a b>"),
        (r#"{{ checksum "a\"}}b" }}"#, "<a\"}}b>"),
        (r#"{{ "go.sum" | checksum }}"#, "<go.sum>"),
        (r#"{{ epoch | round "24h" }}"#, "1036800"),
        (r#"{{ (epoch | round "1h") }}"#, "1000800"),
        (r#"{{ round "1h" epoch }}"#, "1000800"),
        ("a {{- .Branch -}} b", "amainb"),
        ("a{{/* nothing */}}b", "ab"),
        ("} { }} x", "} { }} x"),
    ];
    for (template, want) in cases {
        assert_eq!(key(template).as_deref(), Ok(want), "{template}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("v1-{{ .Branch", "3: `{{` without `}}`"),
        ("{{ .Brunch }}", "3: there is no value `.Brunch` in cache keys"),
        (
            "{{ .Environment }}",
            "3: there is no value `.Environment` in cache keys",
        ),
        (
            "{{ cheksum \"x\" }}",
            "3: there is no function `cheksum` in cache keys",
        ),
        (
            "{{ if .Branch }}",
            "3: `if` of Go's templates cannot be used in a cache key here",
        ),
        (
            "{{ checksum }}",
            "3: `checksum` takes 1 argument(s), and here it gets 0",
        ),
        (
            "{{ checksum go.sum }}",
            "12: there is no function `go.sum` in cache keys",
        ),
        (
            "{{ arch \"x\" }}",
            "3: `arch` takes 0 argument(s), and here it gets 1",
        ),
        ("{{ checksum \"x }}", "12: the quote \" is not closed"),
        ("{{ }}", "3: a value is missing"),
        (
            "{{ .Branch | .Revision }}",
            "13: only a function can stand after `|`",
        ),
        ("{{ .Branch .Revision }}", "11: `.Revision` does not belong here"),
        ("{{ (arch }}", "9: `(` without `)`"),
        ("{{ $x }}", "3: `$` means nothing in a cache key"),
    ];
    for (template, want) in cases {
        assert_eq!(key(template), Err(want.to_owned()), "{template}");
    }
    assert!(key(&format!("{{{{ {}arch }}}}", "(".repeat(100))).is_err());
}

#[test]
fn a_key_that_cannot_be_made_says_why() {
    assert_eq!(
        key(r#"{{ checksum "missing" }}"#),
        Err("no checksum of 'missing': there is no such file".to_owned())
    );
    assert!(key(r#"{{ .Branch | round "1h" }}"#).is_err());
    assert!(key(r#"{{ epoch | round "never" }}"#).is_err());
    assert!(key(r#"{{ epoch | round "1ms" }}"#).is_err());
}
