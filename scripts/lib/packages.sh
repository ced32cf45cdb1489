# shellcheck shell=bash disable=SC2034,SC2154,SC2164
# Debian packages: which are missing, and how they get here.
python_packages=()
packages=()
packages_from_13=()
# shellcheck source=/dev/null
debian=$(. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && echo "${VERSION_ID:-0}" || echo 0)

find_missing_tools() {
    has git || packages+=(git)
    has make || packages+=(make)
    has ssh || packages+=(openssh-client)
    # The tutorial is tested in a real browser.
    [ "$locks" != requirements-dev.txt ] || has chromedriver || packages+=(chromium chromium-driver)
    [ "$debian" -eq 0 ] || has mmdebstrap || packages+=(mmdebstrap)
}

# RUNLEVEL=1 keeps init scripts from starting a server: that is start_engine's job.
install_packages() {
    [ $# -gt 0 ] || return 0
    quietly apt-get update --quiet
    quietly env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get install --yes --quiet --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@"
}

install_packages_of_this_release() {
    install_packages "${packages[@]}"
}

# Debian 13 is read through lists of its own: this machine's apt sources stay as they are,
# and nothing but the packages asked for can come from there.
download_packages_from_13() {
    [ ${#packages_from_13[@]} -gt 0 ] || return 0
    local uri entry folder=$state/debian13
    read -r uri entry < <(mirror_of_this_machine) ||
        die "apt knows no Debian mirror; add one to /etc/apt/sources.list.d"
    rm -rf "$folder"
    mkdir -p "$folder/lists/partial"
    echo "deb [signed-by=$(keyrings "${entry%:*}")] $uri trixie main" >"$folder/sources.list"
    cd "$folder"
    quietly apt_13 update
    quietly apt_13 download "${packages_from_13[@]}"
}

apt_13() {
    apt-get --quiet -o APT::Sandbox::User=root \
        -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State::Lists="$PWD/lists" "$@"
}

mirror_of_this_machine() {
    local release
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI) $(SOURCESENTRY)' \
        'Created-By: Packages' |
        awk -v release="$release" '$1 == release && $2 == "main" && !n++ { print $3, $4 }'
}

# The machine's own keyrings for its mirror, and Debian's, which hold the keys of release 13.
keyrings() {
    {
        grep -ohE '/[^] ,]+\.(gpg|asc|pgp)' "$1" || true
        ls /usr/share/keyrings/debian-archive-keyring.*
    } 2>/dev/null | sort -u | paste -sd,
}

install_packages_from_13() {
    [ ${#packages_from_13[@]} -gt 0 ] || return 0
    quietly dpkg --install "$state"/debian13/*.deb
    rm -rf "$state/debian13"
}
