//! Every number that bounds a connection, with its reason. Other modules hold none.

use std::time::Duration;

/// A TLS handshake takes two round trips; ten seconds forgive a bad line and free a slot held by a scanner.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// Connections one listener holds at a time. Further ones wait in the kernel's backlog. Idle browsers hold one each;
/// a connection costs about 40 kB.
pub const CONNECTIONS: usize = 10_000;

/// Request line and headers must be complete in this time, or a slow sender would hold a slot for nothing.
pub const HTTP_HEADER_READ: Duration = Duration::from_secs(30);

/// Header bytes of one HTTP/2 request: twice what a browser with every cookie it may keep for a host sends.
pub const HTTP_HEADER_BYTES: u32 = 64 * 1024;

/// Requests in flight on one HTTP/2 connection: an agent runs tens of jobs over one connection, each with a few.
pub const HTTP2_STREAMS: u32 = 250;

/// A silent HTTP/2 peer is asked for a sign of life this often, so that a vanished agent is noticed.
pub const HTTP2_PING: Duration = Duration::from_secs(20);

/// And is given up when the sign does not come in this time.
pub const HTTP2_PING_ANSWER: Duration = Duration::from_secs(20);

/// After a request to stop, requests in flight have this long to end.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Reaching a host, name lookup included. A dead host is reported, not waited for.
pub const CONNECT: Duration = Duration::from_secs(10);

/// One HTTP request with a small answer, when the caller names no other time.
pub const HTTP_REQUEST: Duration = Duration::from_mins(1);

/// A JSON answer is read into memory; the largest one of ours (a page of jobs) is a few hundred kB.
pub const HTTP_JSON_BYTES: usize = 32 * 1024 * 1024;

/// What of an error's body is kept for the error message.
pub const HTTP_ERROR_BYTES: usize = 2_000;

/// Idle client connections are closed before the servers and proxies in between drop them silently.
pub const HTTP_POOL_IDLE: Duration = Duration::from_secs(50);

/// The CA outlives every certificate it signs by far; replacing it means touching every agent.
pub const CA_LIFE: Duration = Duration::from_hours(10 * 365 * 24);

/// Short enough that a stolen key is of use for a season only, long enough for an instance that is restarted rarely.
pub const SERVER_CERTIFICATE_LIFE: Duration = Duration::from_hours(90 * 24);

/// A server certificate with less than this left is replaced when the server starts.
pub const SERVER_CERTIFICATE_RENEW: Duration = Duration::from_hours(30 * 24);

/// An agent's certificate: a day, so that a machine taken out of service is out by tomorrow without any list.
pub const AGENT_CERTIFICATE_LIFE: Duration = Duration::from_hours(24);

/// Certificates begin this long before now, for machines whose clocks are behind.
pub const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// The kernel's `sun_path`, less its final zero byte.
pub const UNIX_PATH_BYTES: usize = 107;

/// SSH sessions one listener holds at a time. Further ones wait in the kernel's backlog.
pub const SSH_SESSIONS: usize = 256;

/// Connections one Unix socket serves at a time. Its callers are processes of this machine, which open one a request.
pub const UNIX_CONNECTIONS: usize = 256;

/// Before accepting again after the kernel refused, mostly for want of descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Fetching one small file, redirects included: somebody waits for it at a terminal, or in the line of pipelines.
pub const FETCH: Duration = Duration::from_secs(10);

/// Redirects that are followed for one file. Real ones are one or two: to the newest version, to where files are served.
pub const FETCH_REDIRECTS: usize = 5;

/// A registry answers a question about a manifest, signing in included, in this time.
pub const REGISTRY_ANSWER: Duration = Duration::from_mins(1);

/// A registry that sends nothing for so long in the middle of a layer is given up and asked again.
pub const REGISTRY_SILENCE: Duration = Duration::from_secs(30);

/// What registries agree to take as a manifest; a list of a hundred platforms has a tenth of it.
pub const MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// Layers of one image. Docker makes 127 at most, and an overlay holds 500 with those of the job's own.
pub const IMAGE_LAYERS: usize = 200;
