//! The problems that operations have in common, for the description of the API.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

type Responses = BTreeMap<String, RefOr<Response>>;

/// What every operation that signs may answer.
pub(crate) struct SigningProblems;

/// What a time-stamping authority may answer beside its replies.
pub(crate) struct TimestampProblems;

/// What every operation on a named worker may answer.
pub(crate) struct WorkerProblems;

const SIGNING: &[(u16, &str)] = &[
    (400, "The body cannot be read"),
    (401, UNAUTHENTICATED),
    (403, NO_GRANT),
    (404, UNKNOWN),
    (408, "The body did not arrive in time"),
    (409, "The credential cannot sign now"),
    (413, "The request is larger than the service takes"),
    (422, "The document, a digest or a parameter is not acceptable to this worker"),
    (
        500,
        "The service is not set up for this request, or failed, or withheld what it signed; its operator finds the request id \
         in the log",
    ),
    (503, "Token or database away, or too many requests; try again later"),
];

const TIMESTAMP: &[(u16, &str)] = &[
    (401, UNAUTHENTICATED),
    (403, NO_GRANT),
    (404, UNKNOWN),
    (408, "The body did not arrive in time"),
    (413, "The body is larger than a request for a timestamp can be"),
    (415, "Not `application/timestamp-query`, or the worker makes no timestamps"),
    (503, "Token or database away, or too many requests; try again later"),
];

const WORKER: &[(u16, &str)] = &[
    (400, "The name is no text"),
    (401, UNAUTHENTICATED),
    (403, NO_GRANT),
    (404, UNKNOWN),
    (500, "A worker's definition cannot be read; its operator finds the request id in the log"),
    (503, "The database is away; try again later"),
];

const UNAUTHENTICATED: &str = "No valid API key or client certificate";
const NO_GRANT: &str = "No grant for this worker";
const UNKNOWN: &str = "No such worker, said to clients with a role only";

impl IntoResponses for SigningProblems {
    fn responses() -> Responses {
        responses(SIGNING)
    }
}

impl IntoResponses for TimestampProblems {
    fn responses() -> Responses {
        responses(TIMESTAMP)
    }
}

impl IntoResponses for WorkerProblems {
    fn responses() -> Responses {
        responses(WORKER)
    }
}

fn responses(problems: &[(u16, &str)]) -> Responses {
    problems
        .iter()
        .map(|(status, description)| {
            let content = Content::new(Some(Ref::from_schema_name("Problem")));
            let response = ResponseBuilder::new().description(*description).content(PROBLEM, content).build();
            (status.to_string(), RefOr::T(response))
        })
        .collect()
}

const PROBLEM: &str = "application/problem+json";
