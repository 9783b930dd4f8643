#!/bin/sh
# Installs the Debian packages that are missing: scripts/deps.sh demo|test|all
#
# It says what it installs, and does nothing where all is there. On other
# systems it only says what is needed. Servers that the packages bring along
# are not started: the tests run private ones.
set -eu

demo="gcc libc6-dev softhsm2"
test="$demo opensc pcscd vsmartcard-vpcd postgresql-15 chromium fonts-noto-cjk
apache2 libapache2-mod-auth-openidc dovecot-imapd dovecot-pgsql exim4-daemon-light curl
samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind krb5-user smbclient ldap-utils slapd"

case "${1:-all}" in
demo) want=$demo ;;
test | all) want=$test ;;
*)
	echo "usage: scripts/deps.sh demo|test|all" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps: not a Debian system; what is needed has these names there: $want" >&2
	exit 0
fi

missing=
for package in $want; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "deps: missing:$missing; install them as root: apt-get install$missing" >&2
		exit 0 # tests that need them say so
	fi
	as_root=sudo
fi
echo "deps: installing$missing"
# Without this the packages would start their services.
guard=/usr/sbin/policy-rc.d
made=
if [ ! -e "$guard" ]; then
	made=yes
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$guard" >/dev/null
	$as_root chmod 755 "$guard"
fi
cleanup() { [ -z "$made" ] || $as_root rm -f "$guard"; }
trap cleanup EXIT
$as_root apt-get update -q
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
