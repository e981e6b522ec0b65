//! What CircleCI documents of a step, row by row, each run in a real sandbox: the keys of `run`, the other steps that an
//! agent carries out, and the facts about shells, variables, processes and ends. One case a row; a row that is not here
//! is not kept.

use airlock_agent_protocol::{JobSpec, StepSpec, StepWork};
use airlock_domain::plan::StepWhen::{Always, OnFail, OnSuccess};
use airlock_domain::state::{SliceStatus, StepStatus};

use crate::support::{
    IMAGE, Machine, again, background, bash_root, inside, job, run, silent_for, when, with_shell,
    with_variable,
};

/// One documented row.
struct Row {
    /// What the documentation says.
    says: &'static str,
    steps: Vec<StepSpec>,
    /// Changes to the job around the steps.
    job: fn(&mut JobSpec),
    ends: SliceStatus,
    /// For each step its status, exit code and log.
    steps_end: Vec<(StepStatus, Option<i32>, &'static str)>,
}

fn row(says: &'static str, steps: Vec<StepSpec>) -> Row {
    Row {
        says,
        steps,
        job: |_| {},
        ends: SliceStatus::Success,
        steps_end: Vec::new(),
    }
}

impl Row {
    fn in_job(self, job: fn(&mut JobSpec)) -> Self {
        Self { job, ..self }
    }

    fn ends(self, ends: SliceStatus) -> Self {
        Self { ends, ..self }
    }

    /// A step that ended with 0.
    fn good(self, log: &'static str) -> Self {
        self.step(StepStatus::Success, Some(0), log)
    }

    fn step(mut self, status: StepStatus, code: Option<i32>, log: &'static str) -> Self {
        self.steps_end.push((status, code, log));
        self
    }
}

fn keys_of_run() -> Vec<Row> {
    use StepStatus::{Failed, Skipped, Success, TimedOut};
    vec![
        row("command: several lines are one script", vec![run("x", "x=1\necho $x\ncat <<'E'\n$x\nE")]).good("1\n$x\n"),
        row("shell: bash with -eo pipefail, neither login nor interactive", vec![run(
            "x",
            "echo $BASH $-; shopt -qo pipefail && echo pipefail; shopt -q login_shell || echo no login",
        )])
        .good("/bin/bash ehB\npipefail\nno login\n"),
        row("shell: the first failure ends the default shell's script", vec![run("x", "echo a; false; echo b")])
            .ends(SliceStatus::Failed)
            .step(Failed, Some(1), "a\n\nStep 'x' exited with code 1\n"),
        row("shell: a failure within a pipe counts", vec![run("x", "exit 3 | cat")])
            .ends(SliceStatus::Failed)
            .step(Failed, Some(3), "\nStep 'x' exited with code 3\n"),
        row("shell: a step's own replaces the flags", vec![with_shell(
            &["/bin/bash"],
            run("x", "false | true; false; echo $-"),
        )])
        .good("hB\n"),
        row("shell: the job's is the default of its steps, a step's own wins", vec![
            run("x", "echo $-"),
            with_shell(&["/bin/bash", "-x"], run("y", "echo $- 2>&1")),
        ])
        .in_job(|spec| spec.shell = vec!["/bin/bash".into(), "--login".into(), "-u".into()])
        .good("huB\n")
        .good("+ echo hxB\nhxB\n"),
        row("shell: any program is given the script as a file", vec![with_shell(
            &["/bin/cat"],
            run("x", "not a script"),
        )])
        .good("not a script"),
        row("environment: values are taken as they are written", vec![with_variable("A", "$HOME `x`", run("x", "echo \"$A\""))])
            .good("$HOME `x`\n"),
        row("environment: a step's ends with it", vec![
            with_variable("A", "step", run("x", "echo $A")),
            run("y", "echo ${A:-none}"),
        ])
        .good("step\n")
        .good("none\n"),
        row("background: the next step starts at once; its failure is not the job's; it ends with the job", vec![
            background(run("server", "touch /tmp/up; exec sleep 1000")),
            background(run("broken", "echo $$ > /tmp/pid; exit 9")),
            run("x", "until [ -e /tmp/up ] && [ -s /tmp/pid ] && ! kill -0 $(cat /tmp/pid); do sleep 0.01; done 2> /dev/null; echo both ran"),
        ])
        .step(Success, None, "")
        .step(Failed, Some(9), "")
        .good("both ran\n"),
        row("working_directory: the job's, made if it is not there", vec![run("x", "pwd; ls")]).good("/root/project\n"),
        row("working_directory: a step's is below the job's unless it is absolute or begins with ~", vec![
            inside("a/b", run("x", "pwd")),
            inside("/srv/c", run("y", "pwd")),
            inside("~/d", run("z", "pwd")),
        ])
        .good("/root/project/a/b\n")
        .good("/srv/c\n")
        .good("/root/d\n"),
        row("working_directory: variables in it are not replaced", vec![run("x", "pwd")])
            .in_job(|spec| spec.working_directory = "/srv/$CI".into())
            .good("/srv/$CI\n"),
        row("no_output_timeout: silence ends a step, and on_fail follows", vec![
            silent_for(300, run("x", "sleep 1000")),
            when(OnFail, run("y", "echo b")),
        ])
        .ends(SliceStatus::TimedOut)
        .step(TimedOut, None, "\nStep 'x' was stopped: it wrote no output for 0.3s\n")
        .good("b\n"),
        row("when: always, on_success, on_fail", vec![
            when(OnFail, run("before", "echo a")),
            when(Always, run("x", "exit 2")),
            when(OnSuccess, run("y", "echo c")),
            when(OnFail, run("z", "echo d")),
            when(Always, run("last", "echo e")),
        ])
        .ends(SliceStatus::Failed)
        .step(Skipped, None, "")
        .step(Failed, Some(2), "\nStep 'x' exited with code 2\n")
        .step(Skipped, None, "")
        .good("d\n")
        .good("e\n"),
        row("max_auto_reruns: a step that fails is tried again until it succeeds", vec![again(
            3,
            0,
            run("x", "echo x >> /tmp/tries; cat /tmp/tries | wc -l; [ $(wc -l < /tmp/tries) = 2 ]"),
        )])
        .good("1\n\nStep 'x' exited with code 1\nTry 2 of 4 begins.\n\n2\n"),
        row("max_auto_reruns, auto_rerun_delay: the last failure is the step's", vec![
            again(1, 10, run("x", "exit 5")),
            run("y", "echo never"),
        ])
        .ends(SliceStatus::Failed)
        .step(
            Failed,
            Some(5),
            "\nStep 'x' exited with code 5\nTry 2 of 2 begins in 0.0s.\n\n\nStep 'x' exited with code 5\n",
        )
        .step(Skipped, None, ""),
        row("max_auto_reruns: silence is a failure, too", vec![again(1, 0, silent_for(300, run("x", "sleep 1000")))])
            .ends(SliceStatus::TimedOut)
            .step(
                TimedOut,
                None,
                "\nStep 'x' was stopped: it wrote no output for 0.3s\nTry 2 of 2 begins.\n\n\n\
                 Step 'x' was stopped: it wrote no output for 0.3s\n",
            ),
    ]
}

fn facts() -> Vec<Row> {
    use StepStatus::{Failed, Skipped};
    vec![
        row("precedence: assignment, step, job, each over the next", vec![with_variable(
            "A",
            "step",
            run("x", "echo $A $B; A=own; echo $A"),
        )])
        .in_job(|spec| spec.environment = vec![("A".into(), "job".into()), ("B".into(), "job".into())])
        .good("step job\nown\n"),
        row("BASH_ENV: what one step writes the next ones read, above their own variables", vec![
            run("x", "[ $BASH_ENV = $CIRCLE_SHELL_ENV ]; echo 'export A=carried' >> \"$BASH_ENV\"; echo ${A:-not yet}"),
            with_variable("A", "step", run("y", "echo $A")),
        ])
        .good("not yet\n")
        .good("carried\n"),
        row("BASH_ENV: within the same step after `source`", vec![run(
            "x",
            "echo 'export A=now' >> $BASH_ENV; source $BASH_ENV; echo $A",
        )])
        .good("now\n"),
        row("BASH_ENV: not for sh", vec![
            run("x", "echo 'export A=carried' >> $BASH_ENV"),
            with_shell(&["/bin/sh", "-e"], run("y", "echo ${A:-nothing}")),
        ])
        .good("")
        .good("nothing\n"),
        row("terminal: a step has one, and nobody sits at it", vec![run(
            "x",
            "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; stty size; echo $TERM $PAGER",
        )])
        .good("terminal\n40 120\nxterm cat\n"),
        row("user: the image's, with its home", vec![run("x", "id -u; echo $HOME $USER; cd; pwd")]).good("0\n/root root\n/root\n"),
        row("exit: a signal is 128 and its number, and told apart from that exit code", vec![
            run("x", "kill -KILL $$"),
            when(Always, run("y", "exit 137")),
        ])
        .ends(SliceStatus::Failed)
        .step(Failed, Some(137), "\nStep 'x' was killed by signal 9 (KILL)\n")
        .step(Failed, Some(137), "\nStep 'y' exited with code 137 (128 + signal 9, KILL)\n"),
        row("processes: what a step leaves behind lives on, and its dead are collected", vec![
            run("x", "sleep 1000 > /dev/null 2>&1 & echo $! > /tmp/left; (sleep 0 & exec true); echo a"),
            run("y", "kill -0 $(cat /tmp/left) && echo alive; until ! grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do sleep 0.01; done; echo none dead"),
        ])
        .good("a\n")
        .good("alive\nnone dead\n"),
        row("PATH: the helper is found under both names, before the image's programs", vec![run(
            "x",
            "command -v circleci circleci-agent; echo ${PATH%%:*}",
        )])
        .good("/run/airlock/bin/circleci\n/run/airlock/bin/circleci-agent\n/run/airlock/bin\n"),
        row("step halt: the job ends well after the step; nothing more runs, `when: always` included", vec![
            run("x", "circleci-agent step halt; echo a"),
            run("y", "exit 1"),
            when(Always, run("z", "exit 1")),
        ])
        .good("a\n")
        .step(Skipped, None, "")
        .step(Skipped, None, ""),
        row("store_artifacts: a path that is not there is no failure", vec![artifacts("nowhere"), run("y", "echo b")])
            .step(StepStatus::Success, None, "Storing artifacts at /root/project/nowhere\nNothing is at /root/project/nowhere; nothing was stored\nStored 0 files, 0 bytes\n")
            .good("b\n"),
    ]
}

fn artifacts(path: &str) -> StepSpec {
    StepSpec {
        name: "artifacts".into(),
        when: OnSuccess,
        work: StepWork::StoreArtifacts {
            path: path.into(),
            destination: None,
        },
    }
}

/// Runs each row in a sandbox of its own and says all that differ at once.
async fn check(machine: &Machine, rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (number, row) in (1..).zip(rows) {
        machine.server.forget();
        let mut assignment = job(number, row.steps);
        (row.job)(&mut assignment.spec);
        let finished = machine.server.run(assignment).await;
        let ends = machine.server.ends();
        let seen: Vec<_> = (1..)
            .zip(ends.iter().skip(1))
            .map(|(step, (_, status, code, _))| (*status, *code, machine.server.log(step)))
            .collect();
        let expected: Vec<_> = row
            .steps_end
            .into_iter()
            .map(|(status, code, log)| (status, code, log.to_owned()))
            .collect();
        if (finished.status, &seen) != (row.ends, &expected) {
            wrong.push(format!(
                "{}\n  wanted {} {expected:?}\n  saw    {} {seen:?} ({:?})",
                row.says, row.ends, finished.status, finished.reason
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_run_does_what_is_documented() {
    let machine = Machine::with_image(IMAGE, bash_root);
    check(&machine, keys_of_run()).await;
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_fact_about_steps_holds() {
    let machine = Machine::with_image(IMAGE, bash_root);
    check(&machine, facts()).await;
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_bash_has_sh_with_the_same_flags() {
    let machine = Machine::start();
    let rows = vec![
        row(
            "shell: sh with -eo pipefail where there is no bash",
            vec![run("x", "echo $-; set -o | grep pipefail")],
        )
        .good("e\npipefail        on\n"),
        row(
            "shell: a failure within a pipe counts",
            vec![run("x", "exit 3 | cat; echo never")],
        )
        .ends(SliceStatus::Failed)
        .step(StepStatus::Failed, Some(3), "\nStep 'x' exited with code 3\n"),
    ];
    check(&machine, rows).await;
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_ignores_the_polite_signal_is_killed() {
    let machine = Machine::start();
    let deaf = "trap 'echo asked' TERM; echo begun; while :; do sleep 0.05 || true; done";
    let mut assignment = job(
        1,
        vec![run("deaf", deaf), when(Always, run("after", "echo never"))],
    );
    assignment.spec.run_time_ms = 1000;
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::TimedOut);
    let log = machine.server.log(1);
    assert!(log.starts_with("begun\n") && log.contains("asked\n"), "{log}");
    assert_eq!(machine.server.ends()[2].1, StepStatus::Skipped);
    machine.stop().await;
}
