//! What every [`Store`] must do, as named cases. A driver's tests write `store_conformance!(make)`, where `make` is an
//! async function that gives a [`Fresh`] store: each case becomes a test of its own on a store of its own. The cases use
//! nothing but the traits, so a failing one says what the product would have seen.

use std::any::Any;
use std::sync::Arc;

use crate::Store;

mod fixtures;
pub mod identity;
pub mod orbs;
pub mod outbox;
pub mod pipelines;
pub mod planning;
pub mod projects;
pub mod queue;
pub mod records;
pub mod ssh;
pub mod workflows;

/// An empty store that nobody else uses.
pub struct Fresh {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What must live as long as the store, such as its folder.
    pub keeps: Box<dyn Any + Send>,
}

impl Fresh {
    /// A store, and what must live as long as it does.
    pub fn new(store: impl Store + 'static, keeps: impl Any + Send) -> Self {
        Self {
            store: Arc::new(store),
            keeps: Box::new(keeps),
        }
    }
}

/// Writes the macro that makes a test of each case. The first argument is a dollar sign for the macro it writes.
macro_rules! cases {
    ($d:tt $($module:ident { $($name:ident),+ $(,)? })+) => {
        /// Runs every case of the store's suite as a test: `store_conformance!(make)`, with `async fn make() -> Fresh`.
        #[macro_export]
        macro_rules! store_conformance {
            ($d make:path) => {$($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let fresh = $d make().await;
                    $d crate::conformance::store::$module::$name(fresh.store.clone()).await;
                }
            )+)+};
        }
    };
}

cases! {
    $
    projects {
        a_project_is_found_by_id_and_by_slug,
        a_slug_is_taken_once,
        an_organisation_keeps_its_first_id,
        projects_and_organisations_are_listed_by_name,
        a_repository_key_is_put_and_replaced,
        variables_are_set_replaced_and_removed,
        a_project_has_one_egress_policy,
        what_belongs_to_no_project_is_refused,
    }
    pipelines {
        a_pipeline_is_pending_and_numbered_in_its_project,
        a_delivery_makes_one_pipeline,
        parallel_deliveries_make_one_pipeline,
        pipeline_numbers_have_no_gaps,
        a_pipeline_of_no_project_is_refused,
        pipelines_are_listed_newest_first,
        pending_pipelines_are_listed_oldest_first,
    }
    planning {
        planned_rows_read_back,
        a_workflow_that_is_left_out_has_ended,
        planning_ends_once,
        planning_can_end_in_errors,
        planning_writes_all_or_nothing,
        an_unknown_pipeline_cannot_be_planned,
        job_numbers_count_build_jobs_of_a_project,
        an_explanation_reads_back_and_gives_way_to_a_newer_one,
    }
    workflows {
        a_workflow_loads_as_planned,
        loading_gives_what_applying_gives,
        a_job_begins_and_ends_once,
        a_slice_begins_and_ends,
        a_decision_on_an_old_version_changes_nothing,
        of_two_decisions_one_conflicts,
        a_decision_for_no_workflow_is_refused,
        a_change_for_a_foreign_job_does_nothing,
        a_failed_decision_leaves_nothing,
        history_is_kept_in_order,
        a_reader_sees_one_moment,
    }
    queue {
        the_oldest_slice_is_claimed_first,
        a_slice_goes_to_an_agent_that_offers_what_it_needs,
        each_slice_is_claimed_once,
        a_claim_raises_the_fence_before_the_engine_hears,
        a_claim_without_a_decision_comes_back,
        a_running_slice_whose_lease_ended_is_reported,
        a_renewed_lease_lives_longer,
        an_old_fence_is_refused,
        a_decision_lowers_no_fence,
        an_ended_slice_has_no_lease,
        a_slice_to_be_stopped_is_told,
        a_withdrawn_slice_is_not_claimed,
        a_slice_queued_twice_is_claimed_once,
        an_entry_of_an_ended_slice_is_passed_over,
    }
    outbox {
        status_changes_are_told_in_order,
        a_row_stays_until_it_is_acknowledged,
        a_refused_decision_tells_nothing,
    }
    records {
        a_step_is_brought_up_to_date,
        a_step_that_ended_does_not_run_again,
        what_belongs_to_no_slice_is_refused,
        an_artifact_replaces_the_one_at_its_path,
        an_artifact_put_again_replaces_nothing,
        audit_rows_are_read_in_order,
        agents_are_listed_by_name,
    }
    ssh {
        a_persons_keys_are_theirs,
        a_key_is_one_persons,
        grants_are_of_their_subject,
    }
    identity {
        a_token_is_valid_for_its_purpose_and_time,
        a_hash_is_added_once,
        a_one_time_token_is_taken_once,
        an_expired_token_is_not_taken,
        a_removed_token_is_gone,
        the_first_setting_wins,
    }
    orbs {
        a_version_reads_back_with_its_text,
        versions_are_listed_newest_first,
        a_release_never_changes,
        an_import_is_all_or_nothing,
        of_two_imports_of_one_release_one_text_stays,
        a_development_version_is_replaced_and_ends,
        what_a_pipeline_took_is_kept,
        a_release_that_changed_under_a_project_is_a_conflict,
        what_no_pipeline_took_is_refused,
        what_a_pipeline_fetched_is_kept_with_its_text,
    }
}
