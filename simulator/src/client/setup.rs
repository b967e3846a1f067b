//! What to type on a lab machine to point it at the simulator, and to undo it. Pure.
//!
//! Every value is checked before it comes here: a name of letters, digits, hyphens, underscores and
//! dots, or an IPv4 address, and a port. Nothing of that can end a quoted string in any of the forms.

use std::fmt::Write as _;

use kms_protocol::kms::DEFAULT_PORT;

use super::exchange::HostName;

/// What to point the machine at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setup {
    /// One host, without discovery.
    Host(HostName),
    /// The SRV records of a domain.
    Domain(String),
}

/// One form of the instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Everything, with explanations.
    #[default]
    Text,
    /// A registry file: one host only.
    Reg,
    /// A PowerShell script.
    Powershell,
    /// Startnet.cmd of WinPE, for a Windows that is not running: one host only.
    Cmd,
    /// A part of unattend.xml.
    Unattend,
}

/// A wish that Windows has no means for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// A domain, in a form that writes the registry.
    #[error(
        "--format {0} writes the registry, and no registry value for a look-up domain is \
             documented: use --server, or --format text, powershell or unattend"
    )]
    DomainInRegistry(&'static str),
    /// An IPv6 address.
    #[error(
        "`{0}` is an IPv6 address, whose colons slmgr takes for the start of a port: give the \
             host a name"
    )]
    Ipv6(std::net::Ipv6Addr),
}

/// The instructions in one form; `undo` gives those that take it back.
///
/// # Errors
/// [`Impossible`], before anything is written.
pub fn render(setup: &Setup, format: Format, undo: bool) -> Result<String, Impossible> {
    if let Setup::Host(host) = setup
        && let Ok(address) = host.name.parse()
    {
        return Err(Impossible::Ipv6(address));
    }
    let text = match (format, setup) {
        (Format::Text, _) => text(setup),
        (Format::Reg, Setup::Host(host)) => reg(host, undo),
        (Format::Cmd, Setup::Host(host)) => startnet(host, undo),
        (Format::Reg, Setup::Domain(_)) => return Err(Impossible::DomainInRegistry("reg")),
        (Format::Cmd, Setup::Domain(_)) => return Err(Impossible::DomainInRegistry("cmd")),
        (Format::Powershell, _) => powershell(setup, undo),
        (Format::Unattend, _) => unattend(setup, undo),
    };
    // Files for Windows end their lines as Windows does.
    Ok(if format == Format::Text { text } else { text.replace('\n', "\r\n") })
}

fn text(setup: &Setup) -> String {
    let mut text = format!("Pointing a lab machine at {}\n\n{REFUSAL}\n", setup.shown());
    section(&mut text, "Windows, elevated prompt", &lines(SLMGR, &setup.slmgr(false)));
    section(&mut text, "Undo", &lines(SLMGR, &setup.slmgr(true)));
    section(
        &mut text,
        "Office, elevated prompt in its folder (Office16)",
        &lines(OSPP, &setup.ospp(false)),
    );
    section(&mut text, "Undo", &lines(OSPP, &setup.ospp(true)));
    section(&mut text, "PowerShell, elevated", &powershell(setup, false));
    section(&mut text, "Undo", &powershell(setup, true));
    if let Setup::Host(host) = setup {
        section(&mut text, "Registry file (.reg)", &reg(host, false));
        section(&mut text, "Undo", &reg(host, true));
    }
    section(&mut text, "unattend.xml, for machines that are installed", &unattend(setup, false));
    text.push_str("  Undo: leave it out of unattend.xml; on a machine that had it, as above.\n\n");
    match setup {
        Setup::Host(host) => {
            section(&mut text, "WinPE, Startnet.cmd", &startnet(host, false));
            section(&mut text, "Undo", &startnet(host, true));
        }
        Setup::Domain(_) => text.push_str(
            "Registry file and WinPE: no registry value for a look-up domain is documented, so that\n\
             there is nothing to import and nothing to write offline. Use --server for these.\n",
        ),
    }
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    writeln!(text, "{title}:\n").ok();
    for line in body.lines() {
        let indent = if line.is_empty() { "" } else { "  " };
        writeln!(text, "{indent}{line}").ok();
    }
    text.push('\n');
}

fn lines(script: &str, commands: &[String]) -> String {
    commands.iter().map(|arguments| format!("{script} {arguments}\n")).collect()
}

fn reg(host: &HostName, undo: bool) -> String {
    let mut text = "Windows Registry Editor Version 5.00\n".to_owned();
    for key in [WINDOWS_KEY, OFFICE_KEY] {
        writeln!(text, "\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\{key}]").ok();
        let (name, port) = if undo {
            ("-".to_owned(), "-".to_owned())
        } else {
            (format!("\"{}\"", host.name), format!("\"{}\"", host.port))
        };
        writeln!(text, "\"{NAME_VALUE}\"={name}\n\"{PORT_VALUE}\"={port}").ok();
    }
    text
}

fn powershell(setup: &Setup, undo: bool) -> String {
    let restart = "Restart-Service sppsvc -Force\n";
    let mut text = String::new();
    for arguments in setup.slmgr(undo) {
        // OFF-tools: the service has to be started again before it goes by the new host.
        if arguments == ACTIVATE {
            text.push_str(restart);
        }
        let script = "$env:windir\\System32\\slmgr.vbs";
        writeln!(text, "cscript.exe //nologo \"{script}\" {arguments}").ok();
    }
    if undo {
        text.push_str(restart);
    }
    text
}

/// A Windows that is not running has its registry in a file, which WinPE loads.
fn startnet(host: &HostName, undo: bool) -> String {
    let mut text = "wpeinit\n\
        rem The drive that the installed Windows has under WinPE:\n\
        set TARGET=W:\n\
        reg load HKLM\\KMSLAB %TARGET%\\Windows\\System32\\config\\SOFTWARE\n"
        .to_owned();
    for key in [WINDOWS_KEY, OFFICE_KEY] {
        for (value, data) in [(NAME_VALUE, host.name.clone()), (PORT_VALUE, host.port.to_string())]
        {
            let path = format!("\"HKLM\\KMSLAB\\{key}\" /v {value}");
            if undo {
                writeln!(text, "reg delete {path} /f").ok();
            } else {
                writeln!(text, "reg add {path} /t REG_SZ /d {data} /f").ok();
            }
        }
    }
    text.push_str("reg unload HKLM\\KMSLAB\n");
    text
}

fn unattend(setup: &Setup, undo: bool) -> String {
    let mut text = "\
<settings pass=\"specialize\">
  <component name=\"Microsoft-Windows-Deployment\" processorArchitecture=\"amd64\"
      publicKeyToken=\"31bf3856ad364e35\" language=\"neutral\" versionScope=\"nonSxS\"
      xmlns:wcm=\"http://schemas.microsoft.com/WMIConfig/2002/State\">
    <RunSynchronous>
"
    .to_owned();
    let commands = setup.slmgr(undo);
    // The machine activates by itself once it is up.
    let commands = commands.iter().filter(|arguments| *arguments != ACTIVATE);
    for (number, arguments) in (1..).zip(commands) {
        let command = format!("{SLMGR} {arguments}");
        writeln!(
            text,
            "      <RunSynchronousCommand wcm:action=\"add\">\n        \
             <Order>{number}</Order>\n        <Path>{command}</Path>\n      \
             </RunSynchronousCommand>"
        )
        .ok();
    }
    text.push_str("    </RunSynchronous>\n  </component>\n</settings>\n");
    text
}

impl Setup {
    fn shown(&self) -> String {
        match self {
            Self::Host(host) => format!("the host {host}"),
            Self::Domain(domain) => format!("the hosts of {domain} (_vlmcs._tcp.{domain})"),
        }
    }

    /// Arguments of slmgr.vbs, one command each. SLM: `/skms` fixes a host, `/skms-domain` a domain
    /// (Windows 8 and later), which a fixed host would override.
    fn slmgr(&self, undo: bool) -> Vec<String> {
        match (self, undo) {
            (Self::Host(host), false) => {
                vec![format!("/skms {}:{}", host.name, host.port), ACTIVATE.into()]
            }
            (Self::Host(_), true) => vec!["/ckms".into()],
            (Self::Domain(domain), false) => {
                vec!["/ckms".into(), format!("/skms-domain {domain}"), ACTIVATE.into()]
            }
            (Self::Domain(_), true) => vec!["/ckms-domain".into()],
        }
    }

    /// Arguments of ospp.vbs (OFF-tools).
    fn ospp(&self, undo: bool) -> Vec<String> {
        match (self, undo) {
            (Self::Host(host), false) => {
                let port = (host.port != DEFAULT_PORT).then(|| format!("/setprt:{}", host.port));
                let host = [format!("/sethst:{}", host.name)].into_iter();
                host.chain(port).chain(["/act".to_owned()]).collect()
            }
            (Self::Host(_), true) => vec!["/remhst".to_owned()],
            (Self::Domain(domain), false) => {
                vec!["/remhst".into(), format!("/skms-domain:{domain}"), "/act".into()]
            }
            (Self::Domain(_), true) => vec!["/ckms-domain".to_owned()],
        }
    }
}

/// What nobody should have to find out.
const REFUSAL: &str = "\
Real Windows and Office will refuse the lab's answers and stay unactivated. The simulator holds no
Microsoft key: what it sends verifies under a lab key only. What this shows is the way there: DNS,
firewall, port and the whole exchange, in the client's events 12288 and in the simulator's journal.
Undo it when the experiment is over, or the machine will not find its real host.
";

const SLMGR: &str = "cscript //nologo %windir%\\System32\\slmgr.vbs";
const OSPP: &str = "cscript //nologo ospp.vbs";
/// Try to activate at once.
const ACTIVATE: &str = "/ato";

const WINDOWS_KEY: &str = "Microsoft\\Windows NT\\CurrentVersion\\SoftwareProtectionPlatform";
const OFFICE_KEY: &str = "Microsoft\\OfficeSoftwareProtectionPlatform";
const NAME_VALUE: &str = "KeyManagementServiceName";
const PORT_VALUE: &str = "KeyManagementServicePort";

#[cfg(test)]
#[path = "setup/tests.rs"]
mod tests;
