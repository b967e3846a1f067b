# Collects what kms-probe analyze reads, from a Windows KMS client or host. It changes nothing.
# Usage: powershell -ExecutionPolicy Bypass -File collect.ps1 > collected.txt

$ErrorActionPreference = 'Continue'
$days = 30

function Section([string] $name) { Write-Output "## kms-probe section: $name" }

Write-Output '# kms-probe collect 1'

Section 'system'
Write-Output "computer=$env:COMPUTERNAME"
Write-Output "time_utc=$((Get-Date).ToUniversalTime().ToString('o'))"
Get-CimInstance Win32_OperatingSystem | ForEach-Object { Write-Output "os=$($_.Caption) $($_.Version)" }
Get-CimInstance SoftwareLicensingService |
    ForEach-Object { Write-Output "cmid=$($_.ClientMachineID)" }

$path = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform'
$platform = Get-ItemProperty -Path $path -ErrorAction SilentlyContinue

$suffixes = @((Get-DnsClientGlobalSetting).SuffixSearchList)
$suffixes += @(Get-DnsClient | ForEach-Object { $_.ConnectionSpecificSuffix })
$suffixes += @((Get-CimInstance Win32_ComputerSystem).Domain)
$suffixes = @($suffixes | Where-Object { $_ -and $_ -ne 'WORKGROUP' } | Sort-Object -Unique)

Section 'srv'
$hosts = @()
foreach ($suffix in $suffixes) {
    $question = "_vlmcs._tcp.$suffix"
    $answers = @(Resolve-DnsName -Name $question -Type SRV -ErrorAction SilentlyContinue |
        Where-Object { $_.Type -eq 'SRV' })
    if ($answers.Count -eq 0) { Write-Output "$question`t" }
    foreach ($answer in $answers) {
        Write-Output "$question`t$($answer.NameTarget):$($answer.Port)"
        $hosts += , @($answer.NameTarget, $answer.Port)
    }
}

Section 'tcp'
if ($platform.KeyManagementServiceName) {
    $port = if ($platform.KeyManagementServicePort) { $platform.KeyManagementServicePort } else { 1688 }
    $hosts += , @($platform.KeyManagementServiceName, $port)
}
foreach ($target in $hosts) {
    $result = Test-NetConnection -ComputerName $target[0] -Port $target[1] -WarningAction SilentlyContinue
    Write-Output "$($target[0]):$($target[1]) $($result.RemoteAddress) $($result.TcpTestSucceeded)"
}

Section 'slmgr'
& cscript.exe //nologo "$env:SystemRoot\System32\slmgr.vbs" /dlv

Section 'ospp'
foreach ($root in @($env:ProgramFiles, ${env:ProgramFiles(x86)})) {
    foreach ($version in @('Office16', 'Office15')) {
        $script = "$root\Microsoft Office\$version\ospp.vbs"
        if (Test-Path $script) { & cscript.exe //nologo $script /dstatus }
    }
}

Section 'events'
$since = $days * 24 * 3600 * 1000
$query = "*[System[Provider[@Name='Microsoft-Windows-Security-SPP'] and TimeCreated[timediff(@SystemTime) <= $since]]]"
& wevtutil.exe qe Application /f:xml "/q:$query"
& wevtutil.exe qe 'Key Management Service' /f:xml 2> $null

Section 'w32tm'
& w32tm.exe /query /status

Section 'registry'
foreach ($name in @('KeyManagementServiceName', 'KeyManagementServicePort',
        'DiscoveredKeyManagementServiceName', 'DisableDnsPublishing', 'SkipRearm')) {
    Write-Output "$name=$($platform.$name)"
}

Section 'end'
