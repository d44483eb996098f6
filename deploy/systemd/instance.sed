# Makes the instance form out of tandem.service and tandem.socket: sed -E -f.
# Everything that two services on one host must not share gets the instance's name.
1i\
# Made of the unit without @ by instances.sh; change that one. NAME is the instance.
s/^Description=Tandem:/Description=Tandem %i:/
s/tandem\.(service|socket)/tandem@%i.\1/g
s,/etc/tandem/tandem\.env,/etc/tandem/%i.env,g
s,(/run|/var/lib|/var/log)/tandem\b,\1/tandem-%i,g
s/^(User|Group|RuntimeDirectory|StateDirectory|LogsDirectory)=tandem$/\1=tandem-%i/
# several applications on one host: each has its own program
s,^ExecStart(Pre)?=.*,& -- /opt/%i/app,
# no two can have one port
s,^ListenStream=.*,ListenStream=/run/tandem-%i.sock,
/^#/s/tandem\.env/NAME.env/g
/^#/s/%i/NAME/g
