--: type auth.aal_level
CREATE TYPE auth.aal_level AS ENUM ('aal1', 'aal2', 'aal3');

--: type auth.code_challenge_method
CREATE TYPE auth.code_challenge_method AS ENUM ('s256', 'plain');

--: type auth.factor_status
CREATE TYPE auth.factor_status AS ENUM ('unverified', 'verified');

--: type auth.factor_type
CREATE TYPE auth.factor_type AS ENUM ('totp', 'webauthn', 'phone');

--: type auth.one_time_token_type
CREATE TYPE auth.one_time_token_type AS ENUM (
    'confirmation_token', 'reauthentication_token', 'recovery_token',
    'email_change_token_new', 'email_change_token_current', 'phone_change_token'
);

--: type auth.oauth_registration_type
CREATE TYPE auth.oauth_registration_type AS ENUM ('dynamic', 'manual');

--: type auth.oauth_client_type
CREATE TYPE auth.oauth_client_type AS ENUM ('public', 'confidential');

--: type auth.oauth_response_type
CREATE TYPE auth.oauth_response_type AS ENUM ('code');

--: type auth.oauth_authorization_status
CREATE TYPE auth.oauth_authorization_status AS ENUM ('pending', 'approved', 'denied', 'expired');
