use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::limits::{WARM_OF_ONE_KIND, WARM_REMEMBERED};
use crate::spec::{Limits, Network, SeccompProfile};

/// Something that waits, and whether it still can be taken.
#[derive(Debug, Clone)]
struct Made(Rc<Cell<bool>>);

impl Fit for Made {
    fn is_fit(&self, _layers: &[PathBuf]) -> bool {
        self.0.get()
    }
}

fn fit() -> Made {
    Made(Rc::new(Cell::new(true)))
}

fn spec(id: &str, image: &str) -> SandboxSpec {
    SandboxSpec {
        id: id.into(),
        hostname: format!("host-{id}"),
        layers: vec![image.into()],
        limits: Limits {
            cpu_millis: 1000,
            memory_bytes: 64 << 20,
            pids: 64,
            disk: None,
        },
        local_names: vec![id.into()],
        network: Network::None,
        profile: SeccompProfile::Default,
        helper: "/helper".into(),
        work_dir: "/work".into(),
    }
}

/// A shelf and a clock.
struct Desk {
    shelf: Shelf<Made>,
    now: Instant,
}

impl Desk {
    fn new(most: usize) -> Self {
        Self {
            shelf: Shelf::new(most),
            now: Instant::now(),
        }
    }

    /// A job comes and begins; whether something waited for it.
    fn job(&mut self, id: &str, image: &str) -> bool {
        self.shelf.begin_start();
        let found = self.shelf.take(&spec(id, image), self.now).is_some();
        self.shelf.end_start(self.now);
        found
    }

    /// Does what comes next until there is nothing to do; the images of what was made.
    fn work(&mut self) -> Vec<String> {
        let mut made = Vec::new();
        loop {
            match self.shelf.next(self.now) {
                Next::Discard(_) => {}
                Next::Make(spec) => {
                    assert!(spec.id.starts_with("warm-") && spec.local_names.is_empty());
                    made.push(spec.layers[0].display().to_string());
                    self.shelf.made(&spec, Ok::<_, ()>(fit()), self.now);
                }
                Next::Wait(Some(time)) if time <= WARM_PAUSE => self.now += time,
                Next::End | Next::Wait(_) => return made,
            }
        }
    }

    fn waiting(&self) -> u64 {
        self.shelf.told().waiting
    }
}

#[test]
fn the_first_job_of_a_kind_is_made_for_and_the_next_finds_one() {
    let mut desk = Desk::new(8);
    assert!(!desk.job("one", "/image"));
    assert_eq!(desk.work(), ["/image"]);
    assert!(desk.job("two", "/image"), "another name is the same kind");
    assert!(!desk.job("three", "/other"));
    let told = desk.shelf.told();
    assert_eq!((told.hits, told.misses, told.waiting), (1, 2, 0));
}

#[test]
fn a_kind_is_everything_that_is_settled_beforehand() {
    let one = kind_of(&spec("one", "/image"));
    assert_eq!(one, kind_of(&spec("two", "/image")));
    let changes: [fn(&mut SandboxSpec); 6] = [
        |spec| spec.layers.push("/below".into()),
        |spec| spec.limits.pids += 1,
        |spec| spec.network = Network::Listed,
        |spec| spec.profile = SeccompProfile::Strict,
        |spec| spec.helper = "/newer".into(),
        |spec| spec.work_dir = "/elsewhere".into(),
    ];
    for change in changes {
        let mut other = spec("one", "/image");
        change(&mut other);
        assert_ne!(one, kind_of(&other));
    }
}

#[test]
fn nothing_is_made_while_a_job_starts_nor_right_after_it() {
    let mut desk = Desk::new(8);
    desk.shelf.begin_start();
    desk.shelf.take(&spec("one", "/image"), desk.now);
    assert!(matches!(desk.shelf.next(desk.now), Next::Wait(Some(WARM_LOOK))));
    desk.shelf.end_start(desk.now);
    assert!(matches!(desk.shelf.next(desk.now), Next::Wait(Some(WARM_PAUSE))));
    assert!(matches!(desk.shelf.next(desk.now + WARM_PAUSE), Next::Make(_)));
}

#[test]
fn as_many_wait_as_came_at_once_and_never_more_than_is_allowed() {
    let mut desk = Desk::new(3);
    for job in ["one", "two"] {
        desk.job(job, "/image");
    }
    assert_eq!(desk.work().len(), 2);
    for number in 0..9 {
        desk.job(&number.to_string(), "/other");
    }
    const { assert!(WARM_OF_ONE_KIND > 3) };
    assert_eq!(desk.work(), ["/other"; 3], "the last asked for has the room");
    assert_eq!(desk.waiting(), 3);
    assert_eq!(desk.shelf.told().discarded, 2);
}

#[test]
fn what_nobody_asks_for_any_more_is_collected() {
    let mut desk = Desk::new(8);
    desk.job("one", "/image");
    desk.work();
    assert_eq!(desk.waiting(), 1);
    desk.now += WARM_REMEMBERED;
    assert_eq!(desk.work(), [""; 0]);
    assert_eq!(desk.waiting(), 0);
    assert!(matches!(desk.shelf.next(desk.now), Next::Wait(None)));
}

#[test]
fn what_has_ended_or_lost_its_image_is_neither_taken_nor_kept() {
    let mut desk = Desk::new(8);
    desk.job("one", "/image");
    desk.job("two", "/image");
    desk.work();
    let first = desk.shelf.kinds[0].waiting[0].clone();
    first.0.set(false);
    assert!(desk.job("three", "/image"), "the other one");
    assert_eq!(desk.shelf.told().discarded, 1);
    desk.work();
    assert_eq!(desk.waiting(), 3);
    for waiting in &desk.shelf.kinds[0].waiting {
        waiting.0.set(false);
    }
    assert!(matches!(desk.shelf.next(desk.now), Next::Discard(all) if all.len() == 3));
    assert_eq!((desk.waiting(), desk.shelf.told().discarded), (0, 4));
}

#[test]
fn failures_are_tried_again_later_and_later() {
    let mut desk = Desk::new(8);
    desk.job("one", "/image");
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let made = loop {
            match desk.shelf.next(desk.now) {
                Next::Make(spec) => break spec,
                Next::Wait(Some(time)) => desk.now += time,
                other @ (Next::End | Next::Discard(_) | Next::Wait(None)) => panic!("{other:?}"),
            }
            // Somebody goes on asking.
            desk.shelf.kinds[0].demand.came(desk.now);
        };
        desk.shelf.made(&made, Err(()), desk.now);
        pauses.push(desk.shelf.kinds[0].not_before.expect("a pause") - desk.now);
    }
    assert_eq!(pauses[..3], [1, 2, 4].map(Duration::from_secs));
    assert_eq!(pauses[11], WARM_RETRY_LONGEST);
    assert_eq!(desk.shelf.told().failed, 12);
}

#[test]
fn a_day_of_many_images_is_no_list_without_end() {
    let mut desk = Desk::new(8);
    for number in 0..3 * WARM_KINDS {
        desk.job("one", &format!("/image-{number}"));
        desk.now += Duration::from_secs(1);
    }
    assert_eq!(desk.shelf.kinds.len(), WARM_KINDS);
}
