# Installs docker-credential-cgr from a folder of release files. Needs no administrator.
#
#   $env:RELEASES = 'https://…'; irm "$env:RELEASES/install.ps1" | iex
#
# RELEASES is the address or the path of the folder.
& {
param(
    [string] $Version = $env:VERSION, # from the folder vVERSION below RELEASES
    [string] $Dir = $(if ($env:INSTALL_DIR) { $env:INSTALL_DIR } else { "$env:LOCALAPPDATA\Programs\docker-credential-cgr" }),
    [switch] $Uninstall
)
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue' # it slows downloads
$name = 'docker-credential-cgr'

# The address of the latest release, once the project has one.
$defaultReleases = ''

# Set-UserPath adds the folder to the user's PATH, or removes it.
function Set-UserPath([bool] $add) {
    $path = @([Environment]::GetEnvironmentVariable('Path', 'User') -split ';' | Where-Object { $_ -and $_ -ne $Dir })
    if ($add) { $path += $Dir }
    [Environment]::SetEnvironmentVariable('Path', ($path -join ';'), 'User')
}

if ($Uninstall) {
    Remove-Item -Force "$Dir\$name.exe"
    Set-UserPath $false
    Write-Host "Removed $name from $Dir."
    return
}

$releases = if ($env:RELEASES) { $env:RELEASES.TrimEnd('/') } else { $defaultReleases }
if (-not $releases) { throw 'RELEASES is not set: set $env:RELEASES to the address of a folder of release files' }
$Version = $Version -replace '^v', ''
if ($Version) {
    $releases = if ($releases.EndsWith('/latest/download')) { $releases -replace '/latest/download$', "/download/v$Version" } else { "$releases/v$Version" }
}
$arch = switch ($(if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE })) {
    'AMD64' { 'amd64' }
    'ARM64' { 'arm64' }
    default { throw "there is no release for Windows on $_" }
}

function Get-ReleaseFile([string] $file, [string] $to) {
    if ($releases -match '^https?://') {
        Invoke-WebRequest -UseBasicParsing -Uri "$releases/$file" -OutFile $to
    } else {
        Copy-Item "$releases/$file" $to
    }
}

$temporary = Join-Path ([IO.Path]::GetTempPath()) ([IO.Path]::GetRandomFileName())
New-Item -ItemType Directory $temporary | Out-Null
try {
    Get-ReleaseFile 'checksums.txt' "$temporary\checksums.txt"
    $lines = @(Select-String -Path "$temporary\checksums.txt" -CaseSensitive `
        -Pattern "^([0-9a-f]{64})  (${name}_([0-9A-Za-z.+-]+)_windows_$arch\.zip)$")
    if ($lines.Count -ne 1) { throw "$releases/checksums.txt names $($lines.Count) archives for windows/$arch, want 1" }
    $sum, $archive, $found = $lines[0].Matches[0].Groups[1..3].Value
    if ($Version -and $found -ne $Version) { throw "$releases has version $found, want $Version" }

    Get-ReleaseFile $archive "$temporary\$archive"
    $got = (Get-FileHash -Algorithm SHA256 "$temporary\$archive").Hash.ToLower()
    if ($got -ne $sum) { throw "$releases/$archive has the wrong checksum: got $got, want $sum" }

    Expand-Archive "$temporary\$archive" "$temporary\files"
    New-Item -ItemType Directory -Force $Dir | Out-Null
    Copy-Item -Force "$temporary\files\$name.exe" "$Dir\$name.exe"
} finally {
    Remove-Item -Recurse -Force $temporary
}
Set-UserPath $true
$env:Path = "$Dir;$env:Path"
Write-Host "Installed $name $found in $Dir, which is in PATH of new terminals."
Write-Host "Next: $name configure-docker"
} @args
