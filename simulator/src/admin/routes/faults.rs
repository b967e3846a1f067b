//! The rules of misbehaviour.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::extract::{Body, Params, Segment};
use super::super::lab::Lab;
use super::super::problem::Problem;
use super::hosts::RulesOf;
use crate::fault::{FaultSet, Listed, Pairs, Rule, RuleId, SetError, Source, Stage, parse_compact};

/// Whether a rule is on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    enabled: bool,
}

/// All rules with their counts, in the order in which they are asked: the first that strikes wins.
#[utoipa::path(get, path = "/api/v1/faults", tag = "faults", params(RulesOf),
    responses((status = 200, description = "Rules: their keys are those of a rule file, with \
        `source`, `matched` and `applied` beside them", body = [Object])))]
pub(super) async fn list(
    State(lab): State<Arc<Lab>>,
    Params(of): Params<RulesOf>,
) -> Result<Json<Vec<Listed>>, Problem> {
    Ok(Json(of.rules(&lab)?.list()))
}

/// Adds a rule behind the others.
#[utoipa::path(post, path = "/api/v1/faults", tag = "faults", params(RulesOf),
    request_body(content = Object, description = "A rule: an object with the keys of a rule file, \
        `kind` at least; or `{\"rule\": \"TEXT\"}` with a rule as the flag --fault takes it"),
    responses(
        (status = 201, description = "The rule as it was understood", body = Object),
        (status = 400, description = "What is wrong with it, and at which key", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "Its name is taken, or there are too many", body = Problem,
         content_type = "application/problem+json"),
        (status = 422, description = "Not an object of texts, numbers, truth values and lists",
         body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add(
    State(lab): State<Arc<Lab>>,
    Params(of): Params<RulesOf>,
    Body(pairs): Body<Pairs>,
) -> Result<(StatusCode, Json<Listed>), Problem> {
    let faults = of.rules(&lab)?;
    let rule = read(pairs, &of, || faults.next_id(Source::Api))?;
    let id = rule.id.clone();
    faults.add(rule, Source::Api, lab.first().clock().now())?;
    Ok((StatusCode::CREATED, Json(listed(faults, &id)?)))
}

/// Takes all rules out.
#[utoipa::path(delete, path = "/api/v1/faults", tag = "faults", params(RulesOf),
    responses((status = 204, description = "There are no rules now")))]
pub(super) async fn clear(
    State(lab): State<Arc<Lab>>,
    Params(of): Params<RulesOf>,
) -> Result<StatusCode, Problem> {
    let faults = of.rules(&lab)?;
    for listed in faults.list() {
        // Somebody else may have taken it out already.
        faults.remove(&listed.rule.id).ok();
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Begins the counts of every rule anew: running numbers, limits and draws start over.
#[utoipa::path(post, path = "/api/v1/faults/reset", tag = "faults", params(RulesOf),
    responses((status = 204, description = "Counts are zero")))]
pub(super) async fn reset_all(
    State(lab): State<Arc<Lab>>,
    Params(of): Params<RulesOf>,
) -> Result<StatusCode, Problem> {
    of.rules(&lab)?.reset_all(lab.first().clock().now());
    Ok(StatusCode::NO_CONTENT)
}

/// One rule with its counts.
#[utoipa::path(get, path = "/api/v1/faults/{id}", tag = "faults",
    params(("id" = String, Path, description = "Name of the rule"), RulesOf),
    responses(
        (status = 200, description = "The rule", body = Object),
        (status = 404, description = "No such rule", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn show(
    State(lab): State<Arc<Lab>>,
    Segment(id): Segment<String>,
    Params(of): Params<RulesOf>,
) -> Result<Json<Listed>, Problem> {
    Ok(Json(listed(of.rules(&lab)?, &named(&id)?)?))
}

/// Puts another rule in the place of one; its counts begin anew.
#[utoipa::path(put, path = "/api/v1/faults/{id}", tag = "faults",
    params(("id" = String, Path, description = "Name of the rule"), RulesOf),
    request_body(content = Object, description = "A rule, as for adding one"),
    responses(
        (status = 200, description = "The rule as it was understood", body = Object),
        (status = 400, description = "What is wrong with it, and at which key", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "No such rule", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "Its new name is taken", body = Problem,
         content_type = "application/problem+json"),
        (status = 422, description = "Not an object of texts, numbers, truth values and lists",
         body = Problem, content_type = "application/problem+json")))]
pub(super) async fn replace(
    State(lab): State<Arc<Lab>>,
    Segment(id): Segment<String>,
    Params(of): Params<RulesOf>,
    Body(pairs): Body<Pairs>,
) -> Result<Json<Listed>, Problem> {
    let id = named(&id)?;
    listed(of.rules(&lab)?, &id)?;
    let rule = read(pairs, &of, || id.clone())?;
    let new_id = rule.id.clone();
    of.rules(&lab)?.change(&id, rule, lab.first().clock().now())?;
    Ok(Json(listed(of.rules(&lab)?, &new_id)?))
}

/// Switches a rule on or off; its counts stay.
#[utoipa::path(patch, path = "/api/v1/faults/{id}", tag = "faults",
    params(("id" = String, Path, description = "Name of the rule"), RulesOf), request_body = Switch,
    responses(
        (status = 200, description = "The rule now", body = Object),
        (status = 400, description = "A body that is not JSON", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "No such rule", body = Problem,
         content_type = "application/problem+json"),
        (status = 422, description = "Not an object with `enabled` alone", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn switch(
    State(lab): State<Arc<Lab>>,
    Segment(id): Segment<String>,
    Params(of): Params<RulesOf>,
    Body(Switch { enabled }): Body<Switch>,
) -> Result<Json<Listed>, Problem> {
    let id = named(&id)?;
    of.rules(&lab)?.set_enabled(&id, enabled)?;
    Ok(Json(listed(of.rules(&lab)?, &id)?))
}

/// Takes a rule out.
#[utoipa::path(delete, path = "/api/v1/faults/{id}", tag = "faults",
    params(("id" = String, Path, description = "Name of the rule"), RulesOf),
    responses(
        (status = 204, description = "The rule is gone"),
        (status = 404, description = "No such rule", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(lab): State<Arc<Lab>>,
    Segment(id): Segment<String>,
    Params(of): Params<RulesOf>,
) -> Result<StatusCode, Problem> {
    of.rules(&lab)?.remove(&named(&id)?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins the counts of one rule anew.
#[utoipa::path(post, path = "/api/v1/faults/{id}/reset", tag = "faults",
    params(("id" = String, Path, description = "Name of the rule"), RulesOf),
    responses(
        (status = 204, description = "Counts are zero"),
        (status = 404, description = "No such rule", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn reset(
    State(lab): State<Arc<Lab>>,
    Segment(id): Segment<String>,
    Params(of): Params<RulesOf>,
) -> Result<StatusCode, Problem> {
    of.rules(&lab)?.reset(&named(&id)?, lab.first().clock().now())?;
    Ok(StatusCode::NO_CONTENT)
}

/// A rule from an object; an object with `rule` alone holds it in its short form.
fn read(pairs: Pairs, of: &RulesOf, fallback_id: impl FnOnce() -> RuleId) -> Result<Rule, Problem> {
    let rule = match pairs.only("rule") {
        Some(text) => parse_compact(text, &fallback_id()),
        None => Rule::read(pairs, &fallback_id()),
    };
    let rule = rule.map_err(|error| Problem::bad_request(error.to_string()))?;
    if of.host.is_some() && rule.stage == Stage::Dns {
        let detail = "the DNS server is one for all hosts: add its rules without `host`";
        return Err(Problem::bad_request(detail));
    }
    Ok(rule)
}

/// A name that no rule can have is the name of no rule.
fn named(id: &str) -> Result<RuleId, Problem> {
    id.parse().map_err(|_| Problem::not_found("no rule can have that name"))
}

fn listed(faults: &FaultSet, id: &RuleId) -> Result<Listed, Problem> {
    faults.get(id).ok_or_else(|| SetError::Unknown(id.clone()).into())
}

impl From<SetError> for Problem {
    fn from(error: SetError) -> Self {
        let status = match error {
            SetError::Unknown(_) => StatusCode::NOT_FOUND,
            SetError::Taken(_) | SetError::Full => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}
