//! Packet captures (pcap and pcapng): which connections were made to KMS hosts, what they said, and
//! where each stopped.

mod link;
mod rpc;
mod stream;

use std::io::Read;

use etherparse::{LaxNetSlice, TransportSlice};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{RData, RecordType};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError};

use self::stream::{Segment, Streams};
use super::super::moment::Moment;
use super::super::record::{DnsAnswer, Unit};
use super::super::records::Sink;
use super::Options;

/// Reads all packets.
pub(super) fn read(file: impl Read + Send, options: &Options, sink: &mut Sink<'_>) {
    let Ok(mut reader) = pcap_parser::create_reader(BLOCK_BYTES_MAX, file) else {
        return sink.problem("no header of a packet capture");
    };
    let mut capture = Capture::new(options);
    let mut refills = 0;
    loop {
        match reader.next() {
            Ok((used, block)) => {
                capture.block(&block, sink);
                reader.consume(used);
                refills = 0;
            }
            Err(PcapError::Eof) => break,
            Err(PcapError::Incomplete(_)) if refills < REFILLS_MAX => {
                refills += 1;
                if reader.refill().is_err() {
                    sink.problem("it ends in the middle of a packet");
                    break;
                }
            }
            Err(PcapError::BufferTooSmall) => {
                sink.problem(format!("a packet of more than {} KiB", BLOCK_BYTES_MAX >> 10));
                break;
            }
            Err(PcapError::UnexpectedEof | PcapError::Incomplete(_)) => {
                sink.problem("it ends in the middle of a packet");
                break;
            }
            Err(_) => {
                sink.problem("what follows the last packet that was read is no packet");
                break;
            }
        }
    }
    capture.finish(sink);
}

struct Capture {
    interfaces: Vec<Interface>,
    streams: Streams,
    packets: u64,
}

#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    units_per_second: u64,
    offset_seconds: i64,
}

impl Capture {
    fn new(options: &Options) -> Self {
        let mut ports = vec![kms_protocol::kms::DEFAULT_PORT];
        ports.extend(&options.ports);
        Self { interfaces: Vec::new(), streams: Streams::new(ports), packets: 0 }
    }

    fn block(&mut self, block: &PcapBlockOwned<'_>, sink: &mut Sink<'_>) {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let is_nano = header.is_nanosecond_precision();
                self.interfaces.push(Interface {
                    link: header.network,
                    units_per_second: if is_nano { 1_000_000_000 } else { 1_000_000 },
                    offset_seconds: 0,
                });
            }
            PcapBlockOwned::Legacy(packet) => {
                let Some(interface) = self.interfaces.first().copied() else { return };
                let units = interface.units_per_second;
                let micros = u64::from(packet.ts_sec) * 1_000_000
                    + u64::from(packet.ts_usec) * 1_000_000 / units.max(1);
                let length = usize::try_from(packet.caplen).unwrap_or(usize::MAX);
                let data = packet.data.get(..length).unwrap_or(packet.data);
                self.packet(interface.link, micros, data, sink);
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => self.interfaces.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if self.interfaces.len() < INTERFACES_MAX {
                    self.interfaces.push(Interface {
                        link: interface.linktype,
                        units_per_second: interface.ts_resolution().unwrap_or(1_000_000),
                        offset_seconds: interface.if_tsoffset,
                    });
                }
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let index = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
                let Some(interface) = self.interfaces.get(index).copied() else { return };
                let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let micros =
                    u128::from(ticks) * 1_000_000 / u128::from(interface.units_per_second.max(1));
                let micros = u64::try_from(micros)
                    .unwrap_or(0)
                    .saturating_add_signed(interface.offset_seconds.saturating_mul(1_000_000));
                let length = usize::try_from(packet.caplen).unwrap_or(usize::MAX);
                let data = packet.data.get(..length).unwrap_or(packet.data);
                self.packet(interface.link, micros, data, sink);
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let Some(interface) = self.interfaces.first().copied() else { return };
                self.packet(interface.link, 0, packet.data, sink);
            }
            PcapBlockOwned::NG(_) => {}
        }
    }

    fn packet(&mut self, link: Linktype, micros: u64, data: &[u8], sink: &mut Sink<'_>) {
        self.packets += 1;
        sink.read();
        let sliced = match link::slice(link, data) {
            Ok(sliced) => sliced,
            Err(link::Unread::Broken) => return sink.skipped(),
            Err(link::Unread::Unknown) => {
                sink.note(format!("packets of link type {} are not read", link.0));
                return sink.skipped();
            }
        };
        let Some((source, target)) = link::addresses(&sliced) else { return };
        let number = self.packets;
        match &sliced.transport {
            Some(TransportSlice::Tcp(tcp)) => self.streams.segment(&Segment {
                number,
                micros,
                source: (source, tcp.source_port()).into(),
                target: (target, tcp.destination_port()).into(),
                sequence: tcp.sequence_number(),
                syn: tcp.syn(),
                ack: tcp.ack(),
                fin: tcp.fin(),
                rst: tcp.rst(),
                payload: tcp.payload(),
            }),
            Some(TransportSlice::Udp(udp)) if udp.source_port() == DNS_PORT => {
                self.dns(number, micros, udp.payload(), sink);
            }
            Some(TransportSlice::Icmpv4(icmp)) => {
                let (kind, code) = (icmp.type_u8(), icmp.code_u8());
                // Unreachable (a packet that is too long is sent again, shorter) and time exceeded.
                if matches!((kind, code), (3, 0..=3 | 5..) | (11, _)) {
                    self.streams.icmp(kind, code, source, icmp.payload());
                }
            }
            Some(TransportSlice::Icmpv6(icmp)) => {
                let (kind, code) = (icmp.type_u8(), icmp.code_u8());
                if matches!(kind, 1 | 3) {
                    self.streams.icmp(kind, code, source, icmp.payload());
                }
            }
            _ => {}
        }
        // Fragments other than the first have no ports, and are not put together.
        if let (None, Some(LaxNetSlice::Ipv4(ip))) = (&sliced.transport, &sliced.net)
            && ip.is_payload_fragmented()
        {
            sink.note("IP fragments are not put together");
        }
    }

    fn dns(&mut self, number: u64, micros: u64, payload: &[u8], sink: &mut Sink<'_>) {
        let Ok(message) = Message::from_vec(payload) else { return };
        let Some(question) = message.queries.first() else { return };
        let name = question.name().to_ascii();
        let is_kms = name.to_ascii_lowercase().starts_with("_vlmcs._tcp.");
        if !is_kms
            || question.query_type() != RecordType::SRV
            || message.metadata.message_type != MessageType::Response
        {
            return;
        }
        let mut hosts = Vec::new();
        for record in &message.answers {
            if let RData::SRV(srv) = &record.data {
                let target = srv.target.to_ascii();
                self.streams.add_port(srv.port);
                hosts.push(sink.names().name(&format!(
                    "{}:{}",
                    target.trim_end_matches('.'),
                    srv.port
                )));
            }
        }
        let question = sink.names().name(name.trim_end_matches('.'));
        let rcode = u16::from(message.metadata.response_code);
        let place = sink.place(Unit::Packet, number);
        sink.dns(DnsAnswer { place, time: moment(micros), question, rcode, hosts });
    }

    fn finish(self, sink: &mut Sink<'_>) {
        if self.streams.left_out() > 0 {
            sink.note(format!(
                "{} connections beyond the limit were left out",
                self.streams.left_out()
            ));
        }
        for stream in self.streams.into_streams() {
            rpc::conclude(stream, sink);
        }
    }
}

fn moment(micros: u64) -> Moment {
    i64::try_from(micros / 1000).map_or(Moment::UNKNOWN, Moment::from_millis)
}

/// Bytes of one packet with its header.
const BLOCK_BYTES_MAX: usize = 1 << 20;
const INTERFACES_MAX: usize = 1_000;
/// Refills of the buffer for one packet.
const REFILLS_MAX: u32 = 64;
const DNS_PORT: u16 = 53;

#[cfg(test)]
mod tests;
