# Clones the job's repository into the current directory at the job's commit. Everything it is told comes in variables.
set -eu

say() { printf '%s\n' "$*"; }
fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

for tool in git ssh tee; do
    command -v "$tool" >/dev/null 2>&1 ||
        fail "this image has no $tool, which a checkout needs: use an image with git, an OpenSSH client and coreutils"
done
if [ ! -e .git ] && [ -n "$(ls -A)" ]; then
    fail "$(pwd) is not empty and holds no git repository: empty it, or give checkout another path"
fi

# One host key, one way out, no key but the agent's: nothing of the image's own ssh configuration counts.
mkdir -p "$HOME/.ssh"
chmod 700 "$HOME/.ssh"
known_hosts=$HOME/.ssh/airlock_known_hosts
printf 'airlock-git-host %s\n' "$AIRLOCK_HOST_KEY" >"$known_hosts"
GIT_SSH_COMMAND="ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o HostKeyAlias=airlock-git-host\
 -o HostKeyAlgorithms=$AIRLOCK_HOST_KEY_ALGORITHMS -o UserKnownHostsFile='$known_hosts' -o GlobalKnownHostsFile=/dev/null\
 -o UpdateHostKeys=no -o CheckHostIP=no -o IdentityAgent=/run/airlock/ssh-agent.sock -o IdentityFile=none\
 -o PreferredAuthentications=publickey -o ProxyCommand='/run/airlock/bin/airlock-task dial git'"
export GIT_SSH_COMMAND GIT_TERMINAL_PROMPT=0

begin() {
    git -c init.defaultBranch=main init -q .
    git remote add origin "$CIRCLE_REPOSITORY_URL"
    configure
}
configure() {
    git config gc.auto 0
    # Later steps may fetch and push: the same ssh command serves them.
    git config core.sshCommand "$GIT_SSH_COMMAND"
}
if [ -e .git ]; then
    say "Using the repository that is in $(pwd)"
    fresh=no
    git remote set-url origin "$CIRCLE_REPOSITORY_URL" 2>/dev/null || git remote add origin "$CIRCLE_REPOSITORY_URL"
    configure
else
    say "Cloning $CIRCLE_REPOSITORY_URL into $(pwd)"
    fresh=yes
    begin
fi

filter=--filter=blob:none
case $(git version) in
*' 2.41.0'*) filter= ;; # Clones without blobs were broken in this one release.
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fetch() {
    rm -f "$scratch/failed"
    { git fetch --force --progress "$@" 2>&1 || : >"$scratch/failed"; } | tee "$scratch/said"
    [ ! -e "$scratch/failed" ]
}
explain() {
    case $(cat "$scratch/said") in
    *'HOST IDENTIFICATION HAS CHANGED'* | *'Host key verification failed'* | *'no matching host key type'*)
        fail "$AIRLOCK_GIT_HOST does not show the host key that this project trusts ($AIRLOCK_HOST_FINGERPRINT), so nothing was fetched. If the host's key was changed on purpose, update it in Airlock" ;;
    *'Permission denied'* | *'Too many authentication failures'*)
        fail "$AIRLOCK_GIT_HOST refused the project's deploy key ($AIRLOCK_DEPLOY_FINGERPRINT): the host must know it with read access to this repository" ;;
    *'git host cannot be reached'* | *'Connection closed'* | *'Connection reset'* | *'kex_exchange_identification'*)
        fail "$AIRLOCK_GIT_HOST closed the connection or could not be reached" ;;
    *) fail "git could not fetch from $AIRLOCK_GIT_HOST: its own words are above" ;;
    esac
}
has_commit() { git cat-file -e "$AIRLOCK_SHA^{commit}" 2>/dev/null; }

bring() {
    fetch $filter origin '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*' || explain
    has_commit && return
    # Pushed over or on no branch any more: a host may still hand it out by its name.
    fetch $filter origin "$AIRLOCK_SHA" || :
    has_commit ||
        fail "commit $AIRLOCK_SHA is not in $CIRCLE_REPOSITORY_URL any more: its branch was deleted or pushed over after this pipeline began"
}
take() {
    if [ -n "$AIRLOCK_BRANCH" ]; then
        git checkout --force -q -B "$AIRLOCK_BRANCH" "$AIRLOCK_SHA" --
    else
        git checkout --force -q --detach "$AIRLOCK_SHA" --
    fi
}

bring
if ! take; then
    [ "$fresh" = yes ] && [ -n "$filter" ] || fail "the files of commit $AIRLOCK_SHA could not be written: git's own words are above"
    # Some hosts promise the blobs and do not hand them out one by one.
    say "Trying once more with a full clone"
    rm -rf .git
    filter=
    begin
    bring
    take || fail "the files of commit $AIRLOCK_SHA could not be written: git's own words are above"
fi
if [ -n "$AIRLOCK_BRANCH" ]; then
    # Not there when the branch was deleted meanwhile.
    git branch -q --set-upstream-to="origin/$AIRLOCK_BRANCH" 2>/dev/null || :
fi
say "HEAD is now at $(git log -1 --format='%h %s')"
