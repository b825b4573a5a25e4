-- The grants of a session are found by its person: one index less for every sign-in to write.
DROP INDEX grants_session;
