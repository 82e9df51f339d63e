#!/bin/sh
# Warns if the program was installed where Docker does not find it. The arguments are the
# folders that Go installs into, the first of which may be empty.
dir=${1:-$2}
echo "Installed docker-credential-cgr in $dir."
case :$PATH: in
*:"$dir":*) ;;
*)
	echo "warning: $dir is not in PATH, so Docker does not find the program there" >&2
	echo "hint: export PATH=\"$dir:\$PATH\"" >&2
	;;
esac
# Apps that are not started from a terminal have launchd's PATH.
if [ "$(uname -s)" = Darwin ] && [ "$dir" != /usr/local/bin ]; then
	echo "warning: Docker Desktop looks in /usr/local/bin only" >&2
	echo "hint: sudo ln -sf $dir/docker-credential-cgr /usr/local/bin/" >&2
fi
