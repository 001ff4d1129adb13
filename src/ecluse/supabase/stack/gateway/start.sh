#!/bin/sh
# Fills kong.yml with the values of the environment, writes it where Kong looks for it, and starts Kong.
# So the gateway has the very keys that the services have: there is no second place to forget.
set -eu
umask 077
here=$(dirname "$0")

key="(headers.apikey or query_params.apikey)"

# What services get in the place of a key that only the gateway knows: `rules "Bearer "` or `rules ""`.
# A key that is not set has no rule: an empty one would let in whoever sends an empty key.
rules() {
    rule "${SUPABASE_SECRET_KEY}" "$1${SERVICE_ROLE_KEY_ASYMMETRIC}"
    rule "${SUPABASE_SECRET_KEY_PREVIOUS:-}" "$1${SERVICE_ROLE_KEY_ASYMMETRIC}"
    rule "${SERVICE_ROLE_KEY_PREVIOUS:-}" "$1${SERVICE_ROLE_KEY_ASYMMETRIC}"
    rule "${SUPABASE_PUBLISHABLE_KEY}" "$1${ANON_KEY_ASYMMETRIC}"
    rule "${SUPABASE_PUBLISHABLE_KEY_PREVIOUS:-}" "$1${ANON_KEY_ASYMMETRIC}"
    rule "${ANON_KEY_PREVIOUS:-}" "$1${ANON_KEY_ASYMMETRIC}"
}
rule() {
    if [ -n "$1" ]; then
        printf "(%s == '%s' and '%s') or " "$key" "$1" "$2"
    fi
}

# A person's own token goes through as it is. A key in its place says nothing that the apikey does not say.
own="headers.authorization ~= nil and headers.authorization:sub(1, 10) ~= 'Bearer sb_'"
own="$own and headers.authorization ~= 'Bearer ' .. ($key or '') and headers.authorization"
RULE_AUTHORIZATION="\$(($own) or $(rules 'Bearer ')($key and $key ~= '' and 'Bearer ' .. $key) or nil)"
RULE_API_KEY="\$($(rules '')$key)"
export RULE_AUTHORIZATION RULE_API_KEY

awk -v quote="'" '
{
    line = ""
    rest = $0
    while (match(rest, /\$\{[A-Z_]+\}/)) {
        name = substr(rest, RSTART + 2, RLENGTH - 3)
        if (!(name in ENVIRON)) {
            print "gateway: " name " is not set" > "/dev/stderr"
            exit 1
        }
        value = ENVIRON[name]
        if (name !~ /^RULE_/)
            gsub(quote, quote quote, value)
        line = line substr(rest, 1, RSTART - 1) value
        rest = substr(rest, RSTART + RLENGTH)
    }
    line = line rest
    if (line !~ ("^ *- key: " quote quote "$"))
        print line
}' "$here/kong.yml" > "$KONG_DECLARATIVE_CONFIG"

exec "$@"
