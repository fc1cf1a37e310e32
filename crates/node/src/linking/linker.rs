//! What dialling and accepting need.

use std::sync::Arc;

use rumormill_transport::Endpoint;

use super::greet::Greeting;
use crate::driver::Driver;

#[derive(Clone)]
pub(crate) struct Linker {
    pub(crate) driver: Arc<Driver>,
    pub(crate) endpoint: Endpoint,
    pub(crate) greeting: Greeting,
}
