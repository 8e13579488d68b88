//! What the behaviour suite does not show: faults on the way, keys and conditions of a store,
//! credentials, and that nothing is left of what failed.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod answers;
mod chain;
mod child;
mod credentials;
mod faults;
mod keys;
mod long;
mod refusals;
mod secrets;
mod storms;
mod trust;
mod world;
mod writes;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Trial};
use orbit_testkit::servers::ServerError;
use tokio::runtime::Runtime;

use crate::world::World;

/// How a test ends: a missing server is told, all else panics.
type Outcome = Result<(), ServerError>;

fn trial<F>(
    (runtime, world): (&Arc<Runtime>, &Arc<World>),
    name: &str,
    test: fn(Arc<World>) -> F,
) -> Trial
where
    F: Future<Output = Outcome> + 'static,
{
    let (runtime, world) = (Arc::clone(runtime), Arc::clone(world));
    Trial::ignorable_test(name, move || match runtime.block_on(test(world)) {
        Ok(()) => Ok(Completion::Completed),
        Err(error) => error.completion(),
    })
}

macro_rules! trials {
    ($at:expr; $($module:ident: $($test:ident),* $(,)?;)*) => {
        vec![$($(
            trial($at, concat!(stringify!($module), "::", stringify!($test)), $module::$test)
        ),*),*]
    };
}

fn main() -> ExitCode {
    if let Some(exit) = child::ran_as_child() {
        return exit;
    }
    let mut arguments = Arguments::from_args();
    // One handler serves all requests of moto, and its threads mix them up.
    arguments.test_threads = Some(1);
    let log = secrets::capture();
    let runtime = Arc::new(Runtime::new().unwrap());
    let world = Arc::new(World::new(log));
    let trials = trials! { (&runtime, &world);
        answers:
            what_is_read_whole_is_bounded_and_a_file_is_not,
            what_gives_out_credentials_is_bounded,
            a_listing_that_breaks_off_is_asked_for_again_as_it_was,
            a_listing_in_a_longer_circle_ends,
            a_region_that_is_none_is_not_gone_to,
            a_stat_learns_the_region_from_another_answer,
            no_long_body_is_sent_to_a_region_that_was_guessed;
        chain:
            variables_are_found,
            settings_come_before_profiles_and_profiles_before_variables,
            a_program_of_a_profile_is_asked,
            a_role_of_a_profile_is_assumed_and_its_rights_hold,
            a_web_identity_reads_its_token_again,
            a_session_of_single_sign_on_is_used_while_it_lasts,
            the_machine_is_asked_for_its_role_with_a_token,
            the_container_is_asked_for_its_role,
            what_cannot_give_credentials_is_named;
        credentials:
            a_role_is_assumed_and_renewed_in_the_middle_of_a_listing,
            a_role_that_is_refused_says_so,
            what_is_wrong_with_credentials_is_said,
            keys_that_run_out_in_the_middle_end_the_listing_in_an_error,
            credentials_that_a_store_calls_run_out_are_asked_for_once_more,
            a_refusal_without_a_body_is_asked_about,
            anonymous_requests_are_not_signed,
            settings_put_their_headers_on_requests;
        faults:
            a_body_that_breaks_is_resumed,
            a_body_that_falls_silent_is_resumed,
            a_body_that_is_damaged_is_an_error,
            a_file_that_changes_while_it_is_read_is_a_conflict,
            a_store_that_asks_to_slow_down_is_asked_again,
            a_listing_in_a_circle_ends,
            a_listing_of_other_keys_is_refused,
            a_file_of_unknown_length_is_not_taken_for_empty,
            other_bytes_than_were_asked_for_are_refused;
        keys:
            odd_keys_come_back,
            odd_keys_are_copied_and_deleted,
            a_prefix_hides_what_is_beside_it;
        long:
            a_long_file_comes_in_pieces_and_is_checked,
            a_long_range_comes_in_pieces,
            what_lies_between_ranges_is_read_or_not,
            a_long_file_that_changes_is_a_conflict;
        refusals:
            nobody_listens,
            the_name_does_not_resolve,
            it_speaks_no_tls,
            it_is_no_store,
            the_bucket_lies_elsewhere,
            listing_may_be_denied,
            settings_that_do_not_fit;
        secrets:
            no_credential_reaches_a_log;
        storms:
            ranges_through_a_storm_are_those_of_the_calm,
            a_storm_without_end_is_told_in_time,
            a_body_that_drips_comes_whole_or_ends_in_time,
            a_body_that_is_always_short_is_an_error,
            a_file_that_changed_since_it_was_listed_is_a_conflict,
            a_write_that_meets_another_is_sent_again;
        trust:
            only_a_trusted_certificate_is_spoken_to,
            requests_take_the_proxy,
            certificates_that_cannot_be_read_are_told;
        writes:
            a_large_file_comes_back,
            nothing_is_left_of_a_broken_upload,
            nothing_is_left_of_a_dropped_upload,
            a_condition_holds_at_the_end_of_an_upload,
            an_upload_that_meets_another_write_at_its_end_is_told,
            an_upload_whose_end_fails_after_all_is_told,
            an_upload_that_is_asked_to_wait_goes_on,
            a_lost_answer_is_told_as_unknown,
            copies_keep_conditions,
            a_list_of_keys_to_delete_brings_its_digest,
            a_copy_through_an_access_point_names_its_source,
            lent_files_are_read_and_written_without_credentials;
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop((runtime, world));
    conclusion.exit_code()
}
