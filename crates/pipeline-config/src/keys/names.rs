//! Words of the language that are not keys: types of parameters, statuses, classes of machines.

/// A word with what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// As it is written.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub about: &'static str,
}

const fn word(name: &'static str, about: &'static str) -> Word {
    Word { name, about }
}

/// Types of parameters.
pub const PARAMETER_TYPES: &[Word] = &[
    word("string", "Takes text; a bare number or `true` needs quotes."),
    word(
        "boolean",
        "Takes `true` or `false`, or YAML's `yes`, `no`, `on`, `off`.",
    ),
    word("integer", "Takes a whole number."),
    word("enum", "Takes one of the texts that `enum` lists."),
    word(
        "executor",
        "Takes an executor's name, or a map with its name and parameters.",
    ),
    word(
        "steps",
        "Takes a list of steps, which the body inserts with `- steps: << parameters.x >>`.",
    ),
    word(
        "env_var_name",
        "Takes the name of a variable, for `${<< parameters.x >>}`.",
    ),
];

/// Statuses that `requires` can wait for.
pub const REQUIRED_STATUSES: &[Word] = &[
    word("success", "The job did all it should."),
    word("failed", "A step of the job failed."),
    word("canceled", "Somebody stopped the job."),
    word("unauthorized", "The job was not allowed a context."),
    word("not_run", "The job was never started."),
    word("terminal", "The job has ended, in whichever way."),
];

/// Operators of logic statements.
pub const STATEMENTS: &[Word] = &[
    word("and", "Is true if every item of the list is."),
    word("or", "Is true if an item of the list is."),
    word("not", "Is true if its value is false."),
    word(
        "equal",
        "Is true if all items of the list have one type and value.",
    ),
    word("matches", "Is true if `pattern` matches the whole of `value`."),
];

/// Operators of expressions, from the weakest to the strongest.
pub const OPERATORS: &[Word] = &[
    word("or", "Gives the left value if it is true, else the right one."),
    word("and", "Gives the left value if it is false, else the right one."),
    word("==", "Is true if type and value are alike."),
    word("!=", "Is true if type or value differ."),
    word(
        "starts-with",
        "Is true if the left text begins with the right one.",
    ),
    word(
        "matches",
        "Is true if the pattern `/…/` matches the whole of the left text.",
    ),
    word(">=", "Compares numbers."),
    word(">", "Compares numbers."),
    word("<=", "Compares numbers."),
    word("<", "Compares numbers."),
    word("not", "Turns true to false and false to true."),
];

/// What kind of machine a resource class is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Containers.
    Docker,
    /// Containers on Arm.
    DockerArm,
    /// Virtual machines with Linux.
    Machine,
    /// Virtual machines with Linux on Arm.
    MachineArm,
    /// Virtual machines with Windows.
    Windows,
    /// Virtual machines with a graphics processor.
    Gpu,
    /// Virtual machines with macOS.
    Macos,
}

/// A resource class with its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// As it is written.
    pub name: &'static str,
    /// What kind of machine it is of.
    pub family: Family,
    /// Processors.
    pub cpus: u16,
    /// Memory in MB.
    pub memory_mb: u32,
}

const fn class(name: &'static str, family: Family, cpus: u16, memory_mb: u32) -> Class {
    Class {
        name,
        family,
        cpus,
        memory_mb,
    }
}

/// The documented resource classes. One name can stand in several families.
pub const RESOURCE_CLASSES: &[Class] = &[
    class("small", Family::Docker, 1, 2_000),
    class("medium", Family::Docker, 2, 4_000),
    class("medium+", Family::Docker, 3, 6_000),
    class("large", Family::Docker, 4, 8_000),
    class("xlarge", Family::Docker, 8, 16_000),
    class("2xlarge", Family::Docker, 16, 32_000),
    class("2xlarge+", Family::Docker, 20, 40_000),
    class("small.gen2", Family::Docker, 1, 2_000),
    class("medium.gen2", Family::Docker, 2, 4_000),
    class("medium+.gen2", Family::Docker, 3, 6_000),
    class("large.gen2", Family::Docker, 4, 8_000),
    class("xlarge.gen2", Family::Docker, 8, 16_000),
    class("2xlarge.gen2", Family::Docker, 16, 32_000),
    class("2xlarge+.gen2", Family::Docker, 20, 40_000),
    class("arm.medium", Family::DockerArm, 2, 8_000),
    class("arm.large", Family::DockerArm, 4, 16_000),
    class("arm.xlarge", Family::DockerArm, 8, 32_000),
    class("arm.2xlarge", Family::DockerArm, 16, 64_000),
    class("medium", Family::Machine, 2, 7_500),
    class("large", Family::Machine, 4, 15_000),
    class("xlarge", Family::Machine, 8, 32_000),
    class("2xlarge", Family::Machine, 16, 64_000),
    class("2xlarge+", Family::Machine, 32, 64_000),
    class("medium.gen2", Family::Machine, 2, 8_000),
    class("large.gen2", Family::Machine, 4, 16_000),
    class("xlarge.gen2", Family::Machine, 8, 32_000),
    class("2xlarge.gen2", Family::Machine, 16, 64_000),
    class("2xlarge+.gen2", Family::Machine, 32, 128_000),
    class("medium.gen3", Family::Machine, 2, 8_000),
    class("large.gen3", Family::Machine, 4, 16_000),
    class("xlarge.gen3", Family::Machine, 8, 32_000),
    class("2xlarge.gen3", Family::Machine, 16, 64_000),
    class("2xlarge+.gen3", Family::Machine, 32, 128_000),
    class("arm.medium", Family::MachineArm, 2, 8_000),
    class("arm.large", Family::MachineArm, 4, 16_000),
    class("arm.xlarge", Family::MachineArm, 8, 32_000),
    class("arm.2xlarge", Family::MachineArm, 16, 64_000),
    class("windows.medium", Family::Windows, 4, 16_000),
    class("windows.large", Family::Windows, 8, 32_000),
    class("windows.xlarge", Family::Windows, 16, 64_000),
    class("windows.2xlarge", Family::Windows, 32, 128_000),
    class("gpu.nvidia.small", Family::Gpu, 4, 16_000),
    class("gpu.nvidia.small.gen2", Family::Gpu, 4, 16_000),
    class("gpu.nvidia.small.multi", Family::Gpu, 4, 15_000),
    class("gpu.nvidia.medium", Family::Gpu, 8, 30_000),
    class("gpu.nvidia.medium.multi", Family::Gpu, 8, 30_000),
    class("gpu.nvidia.large", Family::Gpu, 8, 30_000),
    class("windows.gpu.nvidia.medium", Family::Gpu, 16, 60_000),
    class("m4pro.medium", Family::Macos, 6, 28_000),
    class("m4pro.large", Family::Macos, 12, 56_000),
];
