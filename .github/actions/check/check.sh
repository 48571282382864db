#!/usr/bin/env bash
# Installs the sftdoctor that this action came with in a venv of its own, and checks what the inputs name.
set -euo pipefail

judged=$(python3 -c 'import sys; print(sys.executable)')
tool="$RUNNER_TEMP/sftdoctor"
python3 -m venv "$tool"
"$tool/bin/python" -m pip install --quiet --disable-pip-version-check "$GITHUB_ACTION_PATH/../../.."

words=()
while IFS= read -r line; do
  if [ -n "$line" ]; then words+=("$line"); fi
done <<< "$SFTDOCTOR_PATHS"$'\n'"$SFTDOCTOR_OPTIONS"
if [ -n "$SFTDOCTOR_PINS" ]; then
  words+=(--pins "$SFTDOCTOR_PINS")
  if [ -n "$SFTDOCTOR_PYTHON_VERSION" ]; then words+=(--python-version "$SFTDOCTOR_PYTHON_VERSION"); fi
else
  words+=(--python "${SFTDOCTOR_PYTHON:-$judged}")
fi

status=0
"$tool/bin/sftdoctor" check "${words[@]}" --format github \
  --format "sarif=$RUNNER_TEMP/sftdoctor.sarif" --format "markdown=$RUNNER_TEMP/sftdoctor.md" || status=$?
echo "status=$status" >> "$GITHUB_OUTPUT"
if [ -f "$RUNNER_TEMP/sftdoctor.sarif" ]; then
  echo "sarif=$RUNNER_TEMP/sftdoctor.sarif" >> "$GITHUB_OUTPUT"
  cat "$RUNNER_TEMP/sftdoctor.md" >> "$GITHUB_STEP_SUMMARY"
fi
exit "$status"
