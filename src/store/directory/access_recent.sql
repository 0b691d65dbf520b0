-- Changes of who may stay logged in, of the last $1 seconds. now() is when a transaction began, so what was
-- committed late is found as long as the caller looks back far enough.
SELECT id, access FROM account WHERE access_at > now() - make_interval(secs => $1)
