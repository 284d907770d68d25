#!/bin/sh
# Writes .env for compose.yaml or a server of your own, with fresh secrets:
#   sh deploy/new-env.sh https://taskmapr.example
# An http:// address is for a look on this machine: nothing is redirected to HTTPS then.
set -eu
address=${1:-http://localhost:8000}
case $address in
    http://*) https=false proxies=0 ;;
    https://*) https=true proxies=1 ;;
    *) echo "The address begins with https:// or http://" >&2; exit 2 ;;
esac
if [ -e .env ]; then
    echo ".env is there already; its secrets open what is stored, so it is left alone" >&2
    exit 1
fi

# Letters and digits only: they need no quoting, in addresses neither.
fresh() { head -c 64 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | head -c 48; }

umask 077
cat > .env <<END
ENV=prod
TASKMAPR_PUBLIC_URL=$address

# Keep these. Without TASKMAPR_SECRET_KEY nobody can read what was sealed with it.
DJANGO_SECRET_KEY=$(fresh)
TASKMAPR_SECRET_KEY=$(fresh)
JWT_SECRET=$(fresh)
# The database that compose.yaml makes
POSTGRES_PASSWORD=$(fresh)

# A proxy in front ends HTTPS and sets X-Forwarded-Proto and X-Forwarded-For
TASKMAPR_HTTPS_REDIRECT=$https
TASKMAPR_BEHIND_PROXY=$https
TASKMAPR_TRUSTED_PROXIES=$proxies

# The model; without a key nothing can be asked
OPENAI_API_KEY=
END
echo "Wrote .env for $address"
