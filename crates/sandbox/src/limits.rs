//! Every number this crate bounds something with, and the reason for it.

use std::time::Duration;

/// Ids one sandbox owns: what images expect (0 to 65535), so that no image file is unmapped.
pub const IDS_PER_SANDBOX: u32 = 65_536;

/// First id of the default block: above the ranges systemd, Docker and Podman hand out, below 2^31, where
/// some file systems and archivers stop.
pub const DEFAULT_ID_BASE: u32 = 0x7000_0000;

/// Largest control message: 500 layers (the kernel's bound for one overlay) with long paths, below the default
/// send buffer of a Unix socket.
pub(crate) const MAX_CONTROL_MESSAGE: usize = 160 * 1024;

/// Most descriptors in one control message: pidfd, channel and user namespace, and one to spare.
pub(crate) const MAX_DESCRIPTORS: usize = 4;

/// Most layers below one root: what overlayfs takes.
pub(crate) const MAX_LAYERS: usize = 499;

/// How long the set-up of one sandbox may take; it takes milliseconds, a loaded machine a hundred times as many.
pub(crate) const SETUP_SECONDS: i64 = 20;

/// How long the agent waits for the zygote's answer: longer than the zygote waits for a sandbox.
pub(crate) const ANSWER_SECONDS: u64 = 30;

/// How long the agent waits for a killed sandbox to be gone, in milliseconds.
pub(crate) const DEATH_MILLIS: u64 = 20_000;

/// `/dev` holds a few links and mount points; what a job writes there counts as its memory.
pub(crate) const DEV_BYTES: &str = "64k";

/// `/run/airlock` holds sockets.
pub(crate) const RUN_BYTES: &str = "64k";

/// Pause between two looks at something that is about to go away, in milliseconds.
pub(crate) const RETRY_MILLIS: u64 = 1;

/// How long to wait for the lock of a state directory: a zygote ends within milliseconds of its agent.
pub(crate) const LOCK_MILLIS: u64 = 2000;

/// Depth from which directories are moved up while deleting: one descriptor is open per level.
pub(crate) const MAX_DELETE_DEPTH: usize = 64;

/// Least memory of a sandbox: below it, not even a shell starts reliably.
pub(crate) const MIN_MEMORY_BYTES: u64 = 4 << 20;

/// Least processes of a sandbox: process 1, a shell and its child.
pub(crate) const MIN_PIDS: u32 = 3;

/// Longest host name the kernel takes.
pub(crate) const MAX_HOSTNAME: usize = 64;

/// Longest sandbox id: it becomes a file and a cgroup name.
pub(crate) const MAX_ID: usize = 64;

/// Smallest disk of a sandbox, in bytes and files: below it the file system's own tables leave nothing.
pub(crate) const MIN_DISK: (u64, u64) = (16 << 20, 64);

/// Largest disk of a sandbox: what ext4 with blocks of 4 KiB takes.
pub(crate) const MAX_DISK_BYTES: u64 = 16 << 40;

/// A disk with less room than this is full: a step that wrote until it could not any more leaves less than one
/// allocation of the kernel per processor.
pub(crate) const DISK_FULL_BYTES: u64 = 1 << 20;

/// A disk with room for fewer files than this has none left: the kernel keeps a few back while others are made.
pub(crate) const DISK_FULL_INODES: u64 = 4;

/// Images of disks kept ready per size: jobs of one size rarely start more than two at the same moment.
pub(crate) const POOL_IMAGES: usize = 2;

/// Images of disks a new launcher keeps; a few hundred kilobytes each.
pub(crate) const POOL_IMAGES_OF_ALL_SIZES: usize = 32;

/// How long something that belongs to nobody may take to go before it has leaked, in milliseconds: the kernel deletes
/// network devices one after the other, tens of milliseconds each.
pub(crate) const LEAK_MILLIS: u64 = 5000;

/// Least looks that something that leaked is found in: between two of them a living agent may have made it.
pub(crate) const LEAK_LOOKS: u32 = 3;

/// Times a free loop device is asked for while others take the same one.
pub(crate) const LOOP_TRIES: u32 = 64;

/// Open files of a step before it asks for more: higher values slow down programs that close every possible number.
pub(crate) const MAX_OPEN_FILES_SOFT: u64 = 65_536;

/// Open files a step may ask for: what Docker gives, or the host's own bound where that is lower.
pub(crate) const MAX_OPEN_FILES_HARD: u64 = 1_048_576;

/// How long the packet filter may take to answer; it takes a fraction of a millisecond.
pub(crate) const FILTER_SECONDS: u64 = 10;

/// Places one sandbox's record of connections holds: more than a person reads, and a port scan does not fill memory.
pub(crate) const LEDGER_ENTRIES: usize = 2048;

/// Connections of one sandbox that are followed to their end.
pub(crate) const LEDGER_CONNECTIONS: usize = 32_768;

/// Room for what the kernel tells of connections before it is read: tens of thousands of messages.
pub(crate) const LEDGER_QUEUE_BYTES: usize = 8 << 20;

/// First log group that is tried for refused packets; 5 is the one that tools do not use by themselves.
pub(crate) const LOG_GROUP_FIRST: u16 = 5;

/// Log groups that are tried: one agent of a host takes one.
pub(crate) const LOG_GROUPS: u16 = 256;

/// Sandboxes of one kind kept waiting for jobs: as many jobs as a machine starts at the same moment. Each holds less than
/// a megabyte of memory, a range of ids and an address.
pub(crate) const WARM_OF_ONE_KIND: usize = 4;

/// Starts within this time come at once: a sandbox could not be made again in between, as others would be made first.
pub(crate) const WARM_BURST: Duration = Duration::from_secs(2);

/// How long a kind is made ahead after the last of its starts: a team's next push comes within minutes.
pub(crate) const WARM_REMEMBERED: Duration = Duration::from_mins(10);

/// Kinds whose starts are remembered: classes times images of a day, and no list without end.
pub(crate) const WARM_KINDS: usize = 32;

/// No sandbox is made ahead for so long after a start: the processors are the job's that has just begun.
pub(crate) const WARM_PAUSE: Duration = Duration::from_millis(50);

/// How long to wait after the first failure to make one ahead; twice as long after each further one.
pub(crate) const WARM_RETRY: Duration = Duration::from_secs(1);

/// Most of that.
pub(crate) const WARM_RETRY_LONGEST: Duration = Duration::from_mins(2);

/// How often waiting sandboxes are looked at: whether their image is still there and anybody still asks for them.
pub(crate) const WARM_LOOK: Duration = Duration::from_secs(5);

/// Questions of one sandbox to the name server that are under way: what an installer with many mirrors asks at once.
pub(crate) const LOOKUPS_AT_ONCE: usize = 64;

/// How long one name server may take to answer; a C library gives up after 5 s.
pub(crate) const LOOKUP_TRY_MILLIS: u64 = 2000;

/// How often all name servers are asked.
pub(crate) const LOOKUP_ROUNDS: usize = 2;

/// Stack of a thread that looks up a name: it reads and writes one message.
pub(crate) const LOOKUP_STACK_BYTES: usize = 512 * 1024;

/// How long who asks by TCP may be silent.
pub(crate) const LOOKUP_IDLE_SECONDS: u64 = 10;

/// Least time an address stays open that a name led to: programs connect some time after they asked.
pub(crate) const LOOKUP_LEAST_SECONDS: u64 = 60;

/// Most time: whoever uses a name for longer asks again.
pub(crate) const LOOKUP_MOST_SECONDS: u64 = 86_400;

/// Addresses that names open to one sandbox: more than any installer meets.
pub(crate) const LOOKUP_ADDRESSES: usize = 16_384;

/// Looks at a device that is about to pass packets, with pauses between: a loaded machine takes milliseconds.
pub(crate) const LINK_LOOKS: u32 = 500;
/// A helper that enters a sandbox has this long to answer; it needs milliseconds on an idle machine.
pub(crate) const ENTER_SECONDS: u64 = 20;

/// `/etc/hosts` of a sandbox is read this far.
pub(crate) const HOSTS_BYTES: u64 = 64 * 1024;
