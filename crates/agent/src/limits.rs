//! Every number that bounds the agent, with its reason. Other modules hold none.

use std::time::Duration;

/// Bytes of a step's unacknowledged log kept in memory; more goes to a file. Tens of steps at once stay below the
/// agent's 64 MiB.
pub(crate) const SPOOL_MEMORY_BYTES: usize = 1024 * 1024;
/// Unacknowledged log bytes of all slices together on disk: a server that is away for an hour loses nothing, and the
/// disk is not filled by one loud job. Beyond this the writing step waits.
pub(crate) const SPOOL_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// Acknowledged bytes are given back to the file system in pieces of this size: fewer calls, little waste.
pub(crate) const SPOOL_HOLE_BYTES: u64 = 4 * 1024 * 1024;
/// A full disk is tried again this often while a step waits to write its log.
pub(crate) const SPOOL_RETRY: Duration = Duration::from_millis(500);
/// Log bytes of one slice. What comes after is counted, not kept; the log says so in its last line.
pub(crate) const SLICE_LOG_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// Output that arrives in drops is gathered for this long: below what an eye notices, and a tenth of the requests.
pub(crate) const LOG_GATHER: Duration = Duration::from_millis(20);
/// A server that has less than it once acknowledged is asked this often before the log is given up.
pub(crate) const LOG_GAPS: u32 = 20;

/// First pause after a failed call to the server.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Longest pause: a server that came back is noticed within seconds.
pub(crate) const RETRY_LONGEST: Duration = Duration::from_secs(5);
/// Times an artifact is tried: about two minutes with pauses, longer than a restart of the server.
pub(crate) const ARTIFACT_TRIES: u32 = 30;
/// One artifact file on the wire: 3 GB over a 10 Mbit/s line.
pub(crate) const ARTIFACT_TIME: Duration = Duration::from_mins(45);
/// One control message on the wire.
pub(crate) const CONTROL_TIME: Duration = Duration::from_secs(30);
/// Files one store_artifacts step keeps: beyond this a listing is of no use to anyone.
pub(crate) const ARTIFACT_FILES: usize = 100_000;
/// Depth of folders in one store_artifacts step: the longest path Linux opens has no more parts worth keeping.
pub(crate) const ARTIFACT_DEPTH: usize = 256;

/// Silence after which a checkout is stopped: the same ten minutes as any step.
pub(crate) const CHECKOUT_SILENCE_MS: u64 = airlock_domain::limits::NO_OUTPUT_TIMEOUT_MS;
/// Between the polite and the final signal for background steps when the job is over: they have nothing to lose.
pub(crate) const BACKGROUND_GRACE_MS: u64 = 1_000;

/// A new sandbox must take commands within this time; it needs milliseconds on an idle machine.
pub(crate) const SANDBOX_READY: Duration = Duration::from_secs(30);
/// Sandboxes made ahead for each job that can run at a time: its own kind, and one of the kind before it.
pub(crate) const WARM_PER_JOB: u32 = 2;
/// Sandboxes made ahead at most: together they hold less than 16 MB of memory.
pub(crate) const WARM_SANDBOXES: u32 = 16;
/// Time between two looks at what a sandbox uses.
pub(crate) const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// A stopped step must be reported within this time after its grace, or its sandbox is destroyed under it.
pub(crate) const STOP_SLACK: Duration = Duration::from_secs(5);
/// A sandbox that a thread still reads in is looked at this often before it is removed.
pub(crate) const SANDBOX_SHARED: Duration = Duration::from_millis(5);
/// Environment and masks go to a sandbox in messages of at most this size, well below the channel's frame.
pub(crate) const CONFIGURE_BYTES: usize = 512 * 1024;
/// Processes and threads of one sandbox: a parallel build of a large project stays below, a fork bomb is stopped.
pub(crate) const SANDBOX_PIDS: u32 = 4096;
/// Part of the free disk that all jobs together may fill, in hundredths: spool, images and whoever else writes there
/// keep the rest.
pub(crate) const DISK_SHARE_PERCENT: u64 = 90;
/// Least disk of one job: below it, not even a checkout is of use, and the disk is not bounded at all.
pub(crate) const DISK_LEAST_BYTES: u64 = 256 << 20;
/// Bytes of a job's disk per file on it: what ext4 has as its default, enough for trees of small source files.
pub(crate) const DISK_BYTES_PER_FILE: u64 = 16 * 1024;
/// Connections of one sandbox to its git host and key agent at a time: git needs two.
pub(crate) const DOOR_CONNECTIONS: usize = 32;
/// One message to the key agent: OpenSSH's own limit.
pub(crate) const KEY_AGENT_FRAME: usize = 256 * 1024;

/// On shutdown running slices are stopped and reported; the report is given up after this time.
pub(crate) const SHUTDOWN_REPORT: Duration = Duration::from_secs(10);

/// The progress of an image that another process builds is read this often.
pub(crate) const IMAGE_POLL: Duration = Duration::from_millis(300);
/// Last lines of a failed image build that the error shows.
pub(crate) const IMAGE_ERROR_LINES: usize = 12;
/// Owners of image files: what one sandbox's id range can show.
pub(crate) const IMAGE_IDS: u32 = 65_536;
/// `/etc/passwd` and `/etc/group` of an image are read this far: thousands of accounts, where images have dozens.
pub(crate) const ACCOUNT_FILE_BYTES: u64 = 1024 * 1024;
/// Further groups of a user: what NFS has carried for decades, and more than any image gives.
pub(crate) const ACCOUNT_GROUPS: usize = 64;
/// Id ranges an agent may choose from; those that other agents of the machine use are passed over.
pub(crate) const ID_RANGES: u32 = 1024;

/// A machine's monitor must have started within this time; it needs a tenth of a second on an idle host.
pub(crate) const MACHINE_MONITOR: Duration = Duration::from_mins(1);
/// A machine must take commands within this time: an emulated one needs ten seconds on an idle host.
pub(crate) const MACHINE_READY: Duration = Duration::from_mins(5);
/// What a monitor needs beside its guest's memory: translated code, devices, and the cache of the disk's file.
pub(crate) const MACHINE_OVERHEAD_BYTES: u64 = 640 << 20;
/// Translated code of an emulated machine in MiB; the default, a gibibyte, is more than most guests have.
pub(crate) const MACHINE_TRANSLATION_MIB: u64 = 256;
/// A machine's disk where disks are not bounded: CircleCI's smallest machines have as much free.
pub(crate) const MACHINE_DISK_BYTES: u64 = 64 << 30;
/// The end of a machine's console that an error shows: a kernel's last words.
pub(crate) const MACHINE_CONSOLE_BYTES: usize = 4096;
/// Pieces of console output on their way; the monitor waits beyond.
pub(crate) const MACHINE_CONSOLE_PIECES: usize = 16;
/// Depth of the folders of a kernel's drivers.
pub(crate) const MODULE_DEPTH: usize = 8;
/// Largest kernel or driver in an image: ten times what distributions ship.
pub(crate) const KERNEL_BYTES: u64 = 256 << 20;
/// Files of one layer: ten times the largest image with three languages in it; a layer of empty files fills no disk's
/// inodes.
pub(crate) const LAYER_ENTRIES: u64 = 5_000_000;
/// The longest path Linux opens.
pub(crate) const LAYER_PATH_BYTES: usize = 4095;
/// A long name or the attributes of one file in a layer: what Linux stores of them, several times over.
pub(crate) const LAYER_EXTENSION_BYTES: u64 = 1024 * 1024;
/// Pieces in which a layer's files are written.
pub(crate) const LAYER_BUFFER_BYTES: usize = 128 * 1024;
/// One layer unpacked: several times the largest images there are; a few megabytes of zeros, packed, must not fill the
/// disk.
pub(crate) const LAYER_BYTES: u64 = 64 * 1024 * 1024 * 1024;
/// How many times larger than its files an archive may be that is only compared: small files have headers as large as
/// themselves, and more is a bomb.
pub(crate) const LAYER_ARCHIVE_RATIO: u64 = 4;
/// The configuration of an image: variables, labels and history. Other tools take no larger one.
pub(crate) const IMAGE_CONFIG_BYTES: usize = 4 * 1024 * 1024;
/// Layers of one image on their way at a time: more share the same line.
pub(crate) const LAYERS_AT_ONCE: usize = 4;
/// Pieces of a layer between the registry and the disk.
pub(crate) const LAYER_PIECES: usize = 16;
/// Times a layer is asked for when its connection breaks, and a pull begins anew when somebody cleaned up meanwhile.
pub(crate) const PULL_TRIES: u32 = 3;
/// Between two of them.
pub(crate) const PULL_PAUSE: Duration = Duration::from_secs(1);
/// A day.
pub(crate) const DAY: Duration = Duration::from_hours(24);
/// A sandbox kept for people is kept this long after its last step when nobody is logged in: CircleCI's own time.
pub(crate) const SSH_IDLE: Duration = Duration::from_mins(10);
/// And this long at most, whoever is logged in.
pub(crate) const SSH_MOST: Duration = Duration::from_hours(2);
/// Pieces of one channel on their way to the server: enough to keep the line busy, too few to be a store.
pub(crate) const SSH_QUEUE: usize = 8;
/// After a program's end its output is read on until nothing came for this long.
pub(crate) const SSH_LAST_WORDS: Duration = Duration::from_millis(200);
/// The server has this long to hear the last word of a channel.
pub(crate) const SSH_GOODBYE: Duration = Duration::from_secs(10);
