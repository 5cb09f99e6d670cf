#!/bin/bash
# A certificate authority for trying things out: its key lies beside its certificates, so trust it with nothing real.
#
#   test-ca.sh init DIR [NAME...]       the authority, and the broker's certificate for these names and addresses
#   test-ca.sh appliance DIR SITE ID    an appliance's certificate, and its lines in DIR/acl
#   test-ca.sh console DIR NAME [SITE]  a console's certificate, and its lines in DIR/acl: of one site, or of all
#
# The root of the topics is $JAITF_ROOT, else jaitf. Certificates are good for $DAYS days, else 365.
set -euo pipefail
umask 077
ROOT=${JAITF_ROOT:-jaitf}
DAYS=${DAYS:-365}
NAME='^[a-z0-9][a-z0-9-]*$'

die() { echo "test-ca.sh: $*" >&2; exit 2; }
named() { [[ $1 =~ $NAME ]] || die "'$1': lower-case letters, digits and '-' alone"; }

# issue DIR FILE COMMON_NAME USAGE [ALTERNATIVE_NAMES]
issue() {
    local dir=$1 file=$2 common=$3 usage=$4 names=${5:-}
    [ ! -e "$dir/$file.key" ] || die "$dir/$file.key is there already"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$common" \
        -keyout "$dir/$file.key" -out "$dir/$file.csr" 2>/dev/null
    {
        echo "basicConstraints = critical, CA:false"
        echo "keyUsage = critical, digitalSignature"
        echo "extendedKeyUsage = $usage"
        [ -z "$names" ] || echo "subjectAltName = $names"
    } >"$dir/$file.ext"
    openssl x509 -req -in "$dir/$file.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days "$DAYS" \
        -set_serial "0x$(openssl rand -hex 16)" -extfile "$dir/$file.ext" -out "$dir/$file.pem" 2>/dev/null
    rm "$dir/$file.csr" "$dir/$file.ext"
    echo "$dir/$file.pem: $common"
}

init() {
    local dir=$1 names=DNS:localhost,IP:127.0.0.1 name
    shift
    mkdir -p "$dir"
    [ ! -e "$dir/ca.key" ] || die "$dir/ca.key is there already"
    for name in "$@"; do
        if [[ $name =~ ^[0-9.]+$|: ]]; then names+=",IP:$name"; else names+=",DNS:$name"; fi
    done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=JAITF test authority" \
        -addext "basicConstraints = critical, CA:true, pathlen:0" -addext "keyUsage = critical, keyCertSign, cRLSign" \
        -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
    issue "$dir" broker broker serverAuth "$names"
    [ -e "$dir/acl" ] || echo "# Who may read and write what. Made by test-ca.sh; what is not here is refused." >"$dir/acl"
}

case ${1:-} in
init)
    [ $# -ge 2 ] || die "init DIR [NAME...]"
    init "${@:2}"
    ;;
appliance)
    [ $# -eq 4 ] || die "appliance DIR SITE ID"
    named "$3"
    named "$4"
    issue "$2" "$3.$4" "$3.$4" clientAuth
    printf '\nuser %s\ntopic write %s/v1/%s/%s/up/#\ntopic read %s/v1/%s/%s/down/#\n' \
        "$3.$4" "$ROOT" "$3" "$4" "$ROOT" "$3" "$4" >>"$2/acl"
    ;;
console)
    [ $# -ge 3 ] || die "console DIR NAME [SITE]"
    named "$3"
    [ -z "${4:-}" ] || named "$4"
    issue "$2" "console.$3" "console.$3" clientAuth
    printf '\nuser console.%s\ntopic read %s/v1/%s/+/up/#\ntopic write %s/v1/%s/+/down/#\n' \
        "$3" "$ROOT" "${4:-+}" "$ROOT" "${4:-+}" >>"$2/acl"
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
