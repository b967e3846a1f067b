//! The hosts of the process, and how a request says which one it means.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::lab::Lab;
use super::super::problem::Problem;
use super::state::{Application, applications};
use crate::fault::FaultSet;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfHost {
    /// Name of a host; the first one unless given.
    pub(super) host: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RulesOf {
    /// Name of the host whose own rules are meant; those for every host unless given.
    pub(super) host: Option<String>,
}

/// One host at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HostView {
    pub(super) name: String,
    pub(super) listen: Vec<String>,
    /// Whether it answers, or refuses everybody as a host that is not activated does.
    pub(super) activated: bool,
    /// Whether everybody is refused, and only recorded.
    pub(super) sinkhole: bool,
    pub(super) activation_interval_minutes: u32,
    pub(super) renewal_interval_minutes: u32,
    /// Connections open now.
    pub(super) connections: usize,
    /// Calls answered, whatever the answer.
    pub(super) requests: u64,
    /// Requests recorded and answered with a count.
    pub(super) requests_accepted: u64,
    pub(super) applications: Vec<Application>,
    /// Its own fault rules that are on, beside those for every host.
    pub(super) rules_on: usize,
}

/// All hosts, the first one first.
#[utoipa::path(get, path = "/api/v1/hosts", tag = "lab",
    responses((status = 200, description = "The hosts now", body = [HostView])))]
pub(super) async fn hosts(State(lab): State<Arc<Lab>>) -> Json<Vec<HostView>> {
    Json(all(&lab))
}

pub(super) fn all(lab: &Lab) -> Vec<HostView> {
    lab.hosts.iter().map(HostView::of).collect()
}

impl HostView {
    fn of(host: &crate::serve::Handle) -> Self {
        let (_, policy) = host.host();
        let totals = host.totals();
        Self {
            name: host.name().to_string(),
            listen: host.addresses().iter().map(ToString::to_string).collect(),
            activated: policy.activated,
            sinkhole: host.is_sinkhole(),
            activation_interval_minutes: policy.activation_interval.minutes(),
            renewal_interval_minutes: policy.renewal_interval.minutes(),
            connections: host.connections(),
            requests: totals.requests,
            requests_accepted: totals.requests_accepted,
            applications: applications(host),
            rules_on: host.faults().list().iter().filter(|listed| listed.rule.enabled).count(),
        }
    }
}

impl OfHost {
    /// The place of the host that is meant.
    pub(super) fn place(&self, lab: &Lab) -> Result<usize, Problem> {
        place(lab, self.host.as_deref())
    }
}

impl RulesOf {
    /// The rules that are meant.
    pub(super) fn rules<'a>(&self, lab: &'a Lab) -> Result<&'a Arc<FaultSet>, Problem> {
        match &self.host {
            None => Ok(lab.first().common_faults()),
            Some(name) => Ok(lab.host(place(lab, Some(name))?).faults()),
        }
    }
}

pub(super) fn place(lab: &Lab, name: Option<&str>) -> Result<usize, Problem> {
    let Some(name) = name else { return Ok(0) };
    let is = |host: &crate::serve::Handle| host.name().as_str().eq_ignore_ascii_case(name);
    let unknown =
        || Problem::not_found("query: `host` is the name of no host: `/api/v1/hosts` lists all");
    lab.hosts.iter().position(is).ok_or_else(unknown)
}
