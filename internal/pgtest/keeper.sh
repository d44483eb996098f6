# The keeper of one PostgreSQL: runs the commands that it reads, answers each with
# its exit status, and at the end of them, which is the end of the process that
# wrote them, however that came, ends the server and removes all of it. Its
# directory is the current one.
dir=$PWD
while read -r order; do
	eval "$order" </dev/null >>log 2>&1
	echo $?
done
if [ -e data/postmaster.pid ]; then
	pg_ctl stop --wait --silent --mode=immediate </dev/null >>log 2>&1
fi
cd / && rm -rf -- "$dir"
