//! The page of a request that was refused or failed, for people; programs get the same in JSON elsewhere.

use askama::Template;
use axum::http::StatusCode;

use super::shell::Shell;

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    shell: Shell,
    heading: &'static str,
    message: &'a str,
    request: &'a str,
}

/// The page, or `None` should it not render.
pub(crate) fn problem_page(status: StatusCode, message: &str, request: &str) -> Option<String> {
    let heading = match status {
        StatusCode::NOT_FOUND => "Nothing is here",
        StatusCode::FORBIDDEN => "This was refused",
        StatusCode::UNAUTHORIZED => "Sign in first",
        StatusCode::CONFLICT => "This cannot be done now",
        StatusCode::METHOD_NOT_ALLOWED => "This page is not opened that way",
        _ if status.is_server_error() => "Something went wrong",
        _ => "This request cannot be understood",
    };
    let page = ProblemPage {
        shell: Shell::outside(heading, ""),
        heading,
        message,
        request,
    };
    page.render().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_leave_its_place() {
        let page = problem_page(StatusCode::NOT_FOUND, "<script>alert(1)</script>", "1").expect("rendered");
        assert!(page.contains("&#60;script&#62;") && !page.contains("<script>alert"));
    }
}
