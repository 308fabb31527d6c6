#!/bin/sh
# Makes the namespace with its retention and search attributes. May run again: each step changes only what is missing.
# Needs TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_RETENTION.
set -eu

tries=0
until temporal operator cluster health; do
  tries=$((tries + 1))
  if [ "$tries" -ge 30 ]; then
    echo "no healthy Temporal server at $TEMPORAL_ADDRESS" >&2
    exit 1
  fi
  sleep 2
done

if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$TEMPORAL_RETENTION"
else
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$TEMPORAL_RETENTION"
fi

# A namespace that was just made is known to every part of the server after a few seconds.
attribute() {
  tries=0
  until temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" | grep -q "$1 "; do
    tries=$((tries + 1))
    if [ "$tries" -ge 30 ]; then
      echo "search attribute $1 could not be made" >&2
      exit 1
    fi
    temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$1" --type "$2" || true
    sleep 1
  done
}

attribute BalancePool Keyword
attribute BalanceModels KeywordList
attribute BalanceStage Keyword
attribute BalanceOutcome Keyword
