//! Names of routers by reverse DNS, for reports only: nothing is concluded from a name.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::rr::RData;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Names of `addresses`, as far as `resolvers` know them within `timeout`.
pub async fn look_up(
    addresses: &[IpAddr],
    resolvers: &[SocketAddr],
    timeout: Duration,
) -> BTreeMap<IpAddr, String> {
    let deadline = Instant::now() + timeout;
    let Some(resolver) = resolver(resolvers, timeout) else { return BTreeMap::new() };
    let mut tasks = JoinSet::new();
    for address in addresses.iter().copied().take(NAMES_MAX) {
        let resolver = resolver.clone();
        tasks.spawn(async move { (address, name_of(&resolver, address).await) });
    }
    let mut names = BTreeMap::new();
    while let Ok(Some(joined)) = timeout_at(deadline, tasks.join_next()).await {
        if let Ok((address, Some(name))) = joined {
            names.insert(address, name);
        }
    }
    names
}

async fn name_of(resolver: &TokioResolver, address: IpAddr) -> Option<String> {
    let found = resolver.reverse_lookup(address).await.ok()?;
    found.answers().iter().find_map(|record| match &record.data {
        RData::PTR(name) => {
            let name = name.to_utf8();
            Some(name.strip_suffix('.').unwrap_or(&name).to_owned())
        }
        _ => None,
    })
}

fn resolver(servers: &[SocketAddr], timeout: Duration) -> Option<TokioResolver> {
    let servers = servers.iter().map(|server| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        config
    });
    let servers: Vec<_> = servers.collect();
    if servers.is_empty() {
        return None;
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = timeout / 2;
    builder.options_mut().attempts = 2;
    builder.build().ok()
}

/// Addresses looked up at most.
pub const NAMES_MAX: usize = 128;
