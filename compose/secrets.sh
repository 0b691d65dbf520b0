#!/bin/sh
# Makes compose/secrets/ once: passwords, keys and a self-signed certificate. What is there stays.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
cd secrets

new() { [ -e "$1" ] || printf '%s' "$2" >"$1"; }
random() { openssl rand -hex "$1"; }

new postgres_password "$(random 24)"
new postgres_url "postgres://postrider:$(cat postgres_password)@postgres:5432/postrider"
new s3_access_key "GK$(random 12)"
new s3_secret_key "$(random 32)"
new secret_key "$(random 32)"
new garage.env "GARAGE_RPC_SECRET=$(random 32)
GARAGE_DEFAULT_ACCESS_KEY=$(cat s3_access_key)
GARAGE_DEFAULT_SECRET_KEY=$(cat s3_secret_key)
GARAGE_DEFAULT_BUCKET=postrider
"
if [ ! -e tls_key.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=${HOSTNAME_FOR_MAIL:-mail.example}" \
        -addext "subjectAltName=DNS:${HOSTNAME_FOR_MAIL:-mail.example},DNS:localhost" \
        -keyout tls_key.pem -out tls_certificate.pem 2>/dev/null
fi
# Containers see the files as they are, under users of their own; on this machine the folder keeps others out.
chmod 644 ./*
chmod 700 .
echo "secrets are in $(pwd)"
